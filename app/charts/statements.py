"""The statements that every chart passes, built once: building them anew would cost more than the database takes."""

from __future__ import annotations

from typing import Any, Final, cast

from sqlalchemy import Executable, Table, and_, bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from app.charts.models import Chart

charts: Final = cast("Table", Chart.__table__)

_queued: Final = (
    select(func.count().label("waiting"))
    .select_from(select(charts.c.id).where(charts.c.status == "queued").limit(bindparam("most")).subquery())
    .subquery()
)
LOOK_UP: Final = select(Chart, _queued.c.waiting).select_from(_queued.outerjoin(Chart, Chart.id == bindparam("wanted")))
"""The chart `wanted`, or None, and how many charts are queued, counted up to `most`."""

FIND: Final = select(Chart).where(Chart.id == bindparam("wanted"))

CLAIM: Final = (
    update(charts)
    .where(
        charts.c.id == bindparam("wanted"),
        or_(
            charts.c.status == "queued",
            and_(charts.c.status == "rendering", charts.c.lease_until < bindparam("now")),
        ),
        charts.c.attempts < bindparam("most"),
    )
    .values(
        status="rendering",
        attempts=charts.c.attempts + 1,
        lease_token=bindparam("token"),
        lease_until=bindparam("until"),
        due_at=bindparam("until"),
    )
    .returning(
        charts.c.spec,
        charts.c.type,
        charts.c.format,
        charts.c.created_at,
        charts.c.attempts,
        charts.c.request_id,
    )
)
"""Takes the chart `wanted` until `until`, if it is due at `now` and has had fewer than `most` attempts."""

_KNOWN_WHEN_DRAWN: Final = (
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
    "lease_token",
    "lease_until",
)
COMPLETE: Final = (
    update(charts)
    .where(charts.c.id == bindparam("wanted"), charts.c.lease_token == bindparam("token"))
    .values({name: bindparam(f"new_{name}", type_=charts.c[name].type) for name in _KNOWN_WHEN_DRAWN})
)
"""Records an image (`new_<column>`) behind the fence `token`."""

_INSERTS: Final = {
    "postgresql": postgresql.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
    "sqlite": sqlite.insert(charts).on_conflict_do_nothing().returning(charts.c.id),
}


def insert_new(dialect: str) -> Executable:
    """Stores a chart and gives its id, or nothing when there is one of that id."""
    return _INSERTS[dialect]


def drawn(values: dict[str, Any]) -> dict[str, Any]:
    """Values of columns as COMPLETE takes them."""
    return {f"new_{name}": value for name, value in values.items()}
