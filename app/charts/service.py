"""The life of a chart's row: asked for, claimed under a lease, completed behind its fence, expired."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, Row, Update, func, select, update
from sqlalchemy.orm import Session

from app.charts import statements
from app.charts.domain import ChartSpec, canonical, canonical_id
from app.charts.models import Chart, SignalChart
from app.charts.policy import Policy
from app.shared.db import insert_or_conflict
from app.shared.errors import DomainError, ErrorKind, Gone, NotFound, Unavailable

QUEUED: Final = "queued"
RENDERING: Final = "rendering"
READY: Final = "ready"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
WAITING: Final = (QUEUED, RENDERING)
GONE: Final = {"status": EXPIRED, "path": None, "expires_at": None}
LET_GO: Final = {"due_at": None, "lease_token": None, "lease_until": None}
LOST: Final = "the worker was lost at every attempt"


class ChartFailed(DomainError):
    kind: ClassVar = ErrorKind.FAILED_DEPENDENCY
    slug: ClassVar = "chart-failed"
    title: ClassVar = "The chart could not be drawn"


class Requested(NamedTuple):
    chart: Chart
    wake: bool
    """Whether the caller must wake a worker after its commit."""


class Claim(NamedTuple):
    """The right to draw one chart until `lease_until`; `token` is the fence that `complete` and `fail` ask for."""

    chart_id: str
    token: UUID
    spec: str
    type: str
    format: str
    created_at: datetime
    attempts: int
    request_id: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What became of a render."""

    path: str
    etag: str
    bytes: int
    warnings: Sequence[str]
    alt: str
    degraded: bool


class Backlog(NamedTuple):
    waiting: int
    oldest: datetime | None


def request(
    session: Session,
    spec: ChartSpec,
    policy: Policy,
    *,
    owner: str,
    now: datetime,
    request_id: str,
    even_when_full: bool = False,
) -> Requested:
    """The chart of this spec: the one there is, or a new row to be drawn. Equal requests share one row and one render.

    Raises Unavailable when `policy.max_queue` charts wait already, unless the chart is one that must come.
    """
    text = canonical(spec)
    wanted = canonical_id(text, owner=owner, engine_version=policy.engine_version)
    existing, waiting = session.execute(statements.LOOK_UP, {"wanted": wanted, "most": policy.max_queue}).one()
    if existing is not None and not _to_be_drawn_again(existing):
        return Requested(existing, wake=False)
    if waiting >= policy.max_queue and not even_when_full:
        raise Unavailable(f"{policy.max_queue} charts are waiting already", retry_after=5)
    new = fresh(now, policy, request_id)
    if existing is not None:
        # Of two that found it so, one queues it: the other must not take it from a worker that has begun.
        found = update(Chart).where(Chart.id == wanted, Chart.status == existing.status)
        queued = _changed(session, found.values(**new))
        session.refresh(existing)
        return Requested(existing, wake=queued)
    row = {
        "id": wanted,
        "owner": owner,
        "type": spec.type,
        "format": spec.format,
        "spec": text,
        "width": spec.width * spec.scale,
        "height": spec.height * spec.scale,
        **new,
    }
    insert = statements.insert_new(session.get_bind().dialect.name)
    if session.connection().execute(insert, row).first() is None:
        return Requested(session.get_one(Chart, wanted), wake=False)
    return Requested(Chart(**row), wake=True)


def find(session: Session, wanted: str) -> Chart:
    """Raises NotFound."""
    chart = session.scalar(statements.FIND, {"wanted": wanted})
    if chart is None:
        raise NotFound(f"there is no chart {wanted}")
    return chart


def image_path(chart: Chart) -> str | None:
    """Where the image lies, or None while it is still to be drawn. Raises Gone and ChartFailed."""
    if chart.status == EXPIRED:
        raise Gone("the image was removed after its time; the same request draws it again")
    if chart.status == FAILED:
        raise ChartFailed(chart.error or "for an unknown reason")
    return chart.path if chart.status == READY else None


def redraw(session: Session, wanted: str, policy: Policy, *, now: datetime, request_id: str) -> bool:
    """Queue a ready chart whose file is gone. Whether this call did it."""
    lost = update(Chart).where(Chart.id == wanted, Chart.status == READY)
    return _changed(session, lost.values(**fresh(now, policy, request_id)))


def claim(session: Session, wanted: str, policy: Policy, *, now: datetime) -> Claim | None:
    """The right to draw the chart, or None when it is not due: drawn, held by another, or out of attempts."""
    token = uuid4()
    asked = {"wanted": wanted, "now": now, "most": policy.max_attempts, "token": token, "until": now + policy.lease}
    row = session.connection().execute(statements.CLAIM, asked).first()
    return None if row is None else Claim(wanted, token, *row)


def complete(session: Session, held: Claim, drawn: Drawn, policy: Policy, *, now: datetime) -> bool:
    """Record the image. False when the lease was lost to another worker: then its record stands."""
    values = {
        "status": READY,
        "path": drawn.path,
        "etag": drawn.etag,
        "bytes": drawn.bytes,
        "warnings": list(drawn.warnings),
        "alt": drawn.alt,
        "degraded": drawn.degraded,
        "error": None,
        "ready_at": now,
        "expires_at": held.created_at + policy.retention,
        **LET_GO,
    }
    fence = {"wanted": held.chart_id, "token": held.token}
    return session.connection().execute(statements.COMPLETE, fence | statements.drawn(values)).rowcount == 1


def fail(session: Session, held: Claim, reason: str, policy: Policy, *, now: datetime, final: bool) -> bool:
    """Record a failure: for good when it is final or the last attempt, else to be tried again by the sweep."""
    if final or held.attempts >= policy.max_attempts:
        return _changed(session, _fenced(held).values(status=FAILED, error=reason, **LET_GO))
    again = now + policy.sweep_after * held.attempts
    return _changed(session, _fenced(held).values(status=QUEUED, error=reason, **LET_GO | {"due_at": again}))


def wake_due(session: Session, policy: Policy, *, now: datetime, limit: int) -> list[str]:
    """Charts whose wake-up or worker was lost, to be woken now; those out of attempts are failed instead.

    Owners take turns, so that nobody waits behind everything that another one has due. At most `limit` charts.
    """
    owners = _owners_with_due(session, now, limit)
    share = max(1, limit // max(1, len(owners)))
    due = [_due_of(session, owner, now, share) for owner in owners]
    in_turns = [row for turn in zip_longest(*due) for row in turn if row is not None]
    lost = [row.id for row in in_turns if row.attempts >= policy.max_attempts]
    again = [row.id for row in in_turns if row.attempts < policy.max_attempts]
    session.execute(_of(lost).values(status=FAILED, error=func.coalesce(Chart.error, LOST), **LET_GO))
    session.execute(_of(again).values(due_at=now + policy.lease))
    return again


def expire(session: Session, *, now: datetime, limit: int) -> Sequence[str]:
    """Mark charts whose time is over; the paths of their files, to be deleted after the commit."""
    over = session.execute(
        select(Chart.id, Chart.path)
        .where(Chart.expires_at <= now, Chart.status == READY)
        .order_by(Chart.expires_at)
        .limit(limit)
    ).all()
    expired = _of(row.id for row in over).values(**GONE)
    session.execute(expired.execution_options(synchronize_session=False))
    return [row.path for row in over if row.path is not None]


def backlog(session: Session) -> Backlog:
    waiting, oldest = session.execute(
        select(func.count(), func.min(Chart.created_at)).where(Chart.status == QUEUED)
    ).one()
    return Backlog(waiting, oldest)


def of_signal(session: Session, signal_id: UUID) -> Chart | None:
    """The signal's own chart, if it has one yet."""
    return session.scalar(
        select(Chart).join(SignalChart, SignalChart.chart_id == Chart.id).where(SignalChart.signal_id == signal_id)
    )


def give_to_signal(session: Session, signal_id: UUID, wanted: str) -> None:
    """Make a chart the signal's own; the first one stays."""
    session.execute(
        insert_or_conflict(session, SignalChart).values(signal_id=signal_id, chart_id=wanted).on_conflict_do_nothing()
    )


def fresh(now: datetime, policy: Policy, request_id: str) -> dict[str, Any]:
    """The columns of a chart that waits to be drawn, as if it had never been."""
    return {
        "status": QUEUED,
        "attempts": 0,
        "error": None,
        "path": None,
        "etag": None,
        "bytes": None,
        "created_at": now,
        "ready_at": None,
        "expires_at": None,
        "warnings": [],
        "alt": "",
        "degraded": False,
        "request_id": request_id,
        **LET_GO,
        "due_at": now + policy.sweep_after,
    }


def _to_be_drawn_again(chart: Chart) -> bool:
    """A placeholder is no picture: it is drawn again as soon as somebody asks."""
    return chart.status in (FAILED, EXPIRED) or (chart.status == READY and chart.degraded)


def _owners_with_due(session: Session, now: datetime, limit: int) -> Sequence[str]:
    """Each owner with something due. One look at the index for each of them, however many rows they have."""
    due = select(func.min(Chart.owner)).where(Chart.due_at <= now)
    owners = due.cte("owners", recursive=True)
    later = due.where(Chart.owner > owners.c[0]).correlate(owners).scalar_subquery()
    owners = owners.union_all(select(later).where(owners.c[0].is_not(None)))
    return session.scalars(select(owners.c[0]).where(owners.c[0].is_not(None)).limit(limit)).all()


def _due_of(session: Session, owner: str, now: datetime, limit: int) -> Sequence[Row[str, int]]:
    return session.execute(
        select(Chart.id, Chart.attempts)
        .where(Chart.owner == owner, Chart.due_at <= now, Chart.status.in_(WAITING))
        .order_by(Chart.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _fenced(held: Claim) -> Update:
    return update(Chart).where(Chart.id == held.chart_id, Chart.lease_token == held.token)


def _of(ids: Iterable[str]) -> Update:
    return update(Chart).where(Chart.id.in_(ids))


def _changed(session: Session, statement: Update) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1
