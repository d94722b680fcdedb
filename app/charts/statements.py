"""The statements that every chart passes, built once: building them anew would cost more than the database takes."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import Executable, Table, and_, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.charts.models import Chart

charts: Final = cast("Table", Chart.__table__)

_queued: Final = (
    select(func.count().label("waiting"))
    .select_from(select(charts.c.id).where(charts.c.status == "queued").limit(bindparam("max_queue")).subquery())
    .subquery()
)
_of_owner: Final = and_(charts.c.owner == bindparam("owner"), charts.c.turn.is_not(None))
_own: Final = select(func.count()).select_from(
    select(charts.c.id).where(_of_owner).limit(bindparam("max_queue")).subquery()
)
LOWEST_TAG: Final = select(func.coalesce(func.min(charts.c.turn), 0.0)).where(charts.c.turn.is_not(None))
"""The turn of the chart that is claimed next, 0 when none waits."""
LAST_TAG: Final = select(func.coalesce(func.max(charts.c.turn), 0.0)).where(_of_owner)
"""The last turn that `owner` has, 0 when it has none."""

LOOK_UP: Final = select(
    Chart,
    _queued.c.waiting,
    _own.scalar_subquery().label("own"),
    LOWEST_TAG.scalar_subquery().label("lowest_tag"),
    LAST_TAG.scalar_subquery().label("last_tag"),
).select_from(_queued.outerjoin(Chart, Chart.id == bindparam("chart_id")))
"""The chart `wanted`, or None; how many charts are queued and how many of them are `owner`'s, both up to `most`; and
the turns that the next chart of `owner` comes after.
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
"""Takes the chart whose turn it is until `until`, of those that had fewer than `most` attempts."""

_RESULT_COLUMNS: Final = (
    "status",
    "path",
    "etag",
    "bytes",
    "warnings",
    "alt",
    "degraded",
    "error",
    "ready_at",
    "expires_at",
    "due_at",
    "turn",
    "lease_token",
    "lease_until",
)
COMPLETE: Final = (
    update(charts)
    .where(charts.c.id == bindparam("chart_id"), charts.c.lease_token == bindparam("token"))
    .values({name: bindparam(f"new_{name}", type_=charts.c[name].type) for name in _RESULT_COLUMNS})
)
"""Records an image (`new_<column>`) behind the fence `token`."""

_INSERTS: Final = {
    "postgresql": postgresql.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
    "sqlite": sqlite.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
}


def insert_new(dialect: str) -> Executable:
    """Stores a chart and gives its id, or nothing when there is one of that id."""
    return _INSERTS[dialect]


def new_values(values: dict[str, Any]) -> dict[str, Any]:
    """Values of columns as COMPLETE takes them."""
    return {f"new_{name}": value for name, value in values.items()}
