"""The statements of each request, claim and result. Built once: building them costs more than executing them."""

from __future__ import annotations

from typing import Final, cast

from sqlalchemy import Executable, Table, and_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.charts.models import Chart

charts: Final = cast("Table", Chart.__table__)

RELEASED_VALUES: Final = {"due_at": None, "turn": None, "lease_token": None, "lease_until": None}
"""The columns of a chart that no worker may claim and no sweep has to look at."""

_queued: Final = (
    select(func.count().label("waiting"))
    .select_from(select(charts.c.id).where(charts.c.status == "queued").limit(bindparam("max_queue")).subquery())
    .subquery()
)
_of_owner: Final = and_(charts.c.owner == bindparam("owner"), charts.c.turn.is_not(None))
_own: Final = select(func.count()).select_from(
    select(charts.c.id).where(_of_owner).limit(bindparam("max_queue")).subquery()
)
LOWEST_TAG: Final = (
    select(func.coalesce(func.min(charts.c.turn), 0.0))
    .where(charts.c.turn.is_not(None))
    .correlate(None)
    .scalar_subquery()
)
"""The lowest service tag of all queued charts: that of the chart that is claimed next. 0 when none is queued."""
LAST_TAG: Final = select(func.coalesce(func.max(charts.c.turn), 0.0)).where(_of_owner)
"""The highest service tag of the queued charts of `owner`. 0 when it has none."""

LOOK_UP: Final = select(
    Chart,
    _queued.c.waiting,
    _own.scalar_subquery().label("own"),
    LOWEST_TAG.label("lowest_tag"),
    LAST_TAG.scalar_subquery().label("last_tag"),
).select_from(_queued.outerjoin(Chart, Chart.id == bindparam("chart_id")))
"""The chart `chart_id`, or None; how many charts are queued, and how many of them are of `owner`, both counted up to
`max_queue`; LOWEST_TAG and LAST_TAG.
"""

FIND: Final = select(Chart).where(Chart.id == bindparam("chart_id"))

_waiting: Final = charts.alias("waiting")
_next: Final = (
    select(_waiting.c.id)
    .where(_waiting.c.turn.is_not(None), _waiting.c.attempts < bindparam("max_attempts"))
    .order_by(_waiting.c.turn, _waiting.c.created_at)
    .limit(1)
    .with_for_update(skip_locked=True)
    .scalar_subquery()
)
CLAIM: Final = (
    update(charts)
    .where(charts.c.id == _next)
    .values(
        status="rendering",
        attempts=charts.c.attempts + 1,
        turn=None,
        lease_token=bindparam("token"),
        lease_until=bindparam("until"),
        due_at=bindparam("until"),
    )
    .returning(
        charts.c.id,
        charts.c.spec,
        charts.c.type,
        charts.c.format,
        charts.c.created_at,
        charts.c.attempts,
        charts.c.request_id,
    )
)
"""Leases the queued chart with the lowest service tag and fewer than `max_attempts` attempts until `until`."""

_RESULT_COLUMNS: Final = ("path", "etag", "bytes", "warnings", "alt", "degraded", "ready_at", "expires_at")
COMPLETE: Final = (
    update(charts)
    .where(charts.c.id == bindparam("chart_id"), charts.c.lease_token == bindparam("token"))
    .values(status="ready", error=None, **RELEASED_VALUES)
    .values({name: bindparam(f"new_{name}", type_=charts.c[name].type) for name in _RESULT_COLUMNS})
)
"""Records an image (`new_<column>`) if the chart is still leased with `token`."""

_INSERTS: Final = {
    "postgresql": postgresql.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
    "sqlite": sqlite.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
}


def insert_new(dialect: str) -> Executable:
    """Inserts a chart and returns its id. Returns no row when a chart of this id exists."""
    return _INSERTS[dialect]
