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
from app.charts.cost import estimate_milliseconds
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
EXPIRED_VALUES: Final = {"status": EXPIRED, "path": None, "expires_at": None}
RELEASED_VALUES: Final = {"due_at": None, "turn": None, "lease_token": None, "lease_until": None}
WORKER_LOST_ERROR: Final = "the worker was lost at every attempt"


class ChartFailed(DomainError):
    kind: ClassVar = ErrorKind.FAILED_DEPENDENCY
    slug: ClassVar = "chart-failed"
    title: ClassVar = "The chart could not be drawn"


class RequestResult(NamedTuple):
    chart: Chart
    wake: bool
    """Whether the caller must wake a worker after its commit."""


class RenderLease(NamedTuple):
    """The right to draw one chart until its lease ends; `token` is the fence that `complete` and `fail` ask for."""

    token: UUID
    chart_id: str
    spec: str
    type: str
    format: str
    created_at: datetime
    attempts: int
    request_id: str


@dataclass(frozen=True, slots=True)
class RenderResult:
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


def request_chart(
    session: Session,
    spec: ChartSpec,
    policy: Policy,
    *,
    owner: str,
    now: datetime,
    request_id: str,
    ignore_queue_limit: bool = False,
) -> RequestResult:
    """The chart of this spec: the one there is, or a new row to be drawn. Equal requests share one row and one render.

    Its turn is its owner's last turn or the turn claimed next, whichever is later, and its cost on top: self-clocked
    fair queueing (Golestani, INFOCOM 1994), with owners for flows and milliseconds of drawing for lengths of packets.

    Raises Unavailable when `policy.max_queue` charts wait already, or as many of this owner's as the queue has places
    left, unless the chart is one that must come.
    """
    text = canonical(spec)
    chart_id = canonical_id(text, owner=owner, engine_version=policy.engine_version)
    look_up = {"chart_id": chart_id, "max_queue": policy.max_queue, "owner": owner}
    existing, waiting, own, *tags = session.execute(statements.LOOK_UP, look_up).one()
    if existing is not None and not _needs_redraw(existing):
        return RequestResult(existing, wake=False)
    if not ignore_queue_limit:
        _check_queue_limits(policy.max_queue, waiting, own, owner)
    new = queued_values(now, policy, request_id, turn=max(tags) + estimate_milliseconds(spec))
    if existing is not None:
        # Of two that found it so, one queues it: the other must not take it from a worker that has begun.
        unchanged = update(Chart).where(Chart.id == chart_id, Chart.status == existing.status)
        queued = _changed(session, unchanged.values(**new))
        session.refresh(existing)
        return RequestResult(existing, wake=queued)
    row = {
        "id": chart_id,
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
        return RequestResult(session.get_one(Chart, chart_id), wake=False)
    return RequestResult(Chart(**row), wake=True)


def _check_queue_limits(max_queue: int, waiting: int, own: int, owner: str) -> None:
    """Refuse what one owner has too much of: an owner may have as many waiting as there are places left for all.

    Dynamic thresholds (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998): one owner alone gets half
    of the queue, two get a third each, and nobody all of it.
    """
    if waiting >= max_queue:
        raise Unavailable(f"the queue is full: {waiting} charts wait, {own} of them of {owner}", retry_after=5)
    if own >= max(1, max_queue - waiting):
        raise Unavailable(
            f"{owner} has its share of the queue: {own} of the {waiting} charts that wait, of {max_queue} places",
            retry_after=5,
        )


def find(session: Session, chart_id: str) -> Chart:
    """Raises NotFound."""
    chart = session.scalar(statements.FIND, {"chart_id": chart_id})
    if chart is None:
        raise NotFound(f"there is no chart {chart_id}")
    return chart


def image_path(chart: Chart) -> str | None:
    """Where the image lies, or None while it is still to be drawn. Raises Gone and ChartFailed."""
    if chart.status == EXPIRED:
        raise Gone("the image was removed after its time; the same request draws it again")
    if chart.status == FAILED:
        raise ChartFailed(chart.error or "for an unknown reason")
    return chart.path if chart.status == READY else None


def redraw(session: Session, chart_id: str, policy: Policy, *, now: datetime, request_id: str) -> bool:
    """Queue a ready chart whose file is gone. Whether this call did it."""
    lost = update(Chart).where(Chart.id == chart_id, Chart.status == READY)
    return _changed(session, lost.values(**queued_values(now, policy, request_id, turn=lowest_service_tag(session))))


def claim_next(session: Session, policy: Policy, *, now: datetime) -> RenderLease | None:
    """The right to draw the chart whose turn it is, or None when none waits for a worker."""
    token = uuid4()
    values = {"max_attempts": policy.max_attempts, "token": token, "until": now + policy.lease}
    row = session.connection().execute(statements.CLAIM, values).first()
    return None if row is None else RenderLease(token, *row)


def complete(session: Session, lease: RenderLease, result: RenderResult, policy: Policy, *, now: datetime) -> bool:
    """Record the image. False when the lease was lost to another worker: then its record stands."""
    values = {
        "status": READY,
        "path": result.path,
        "etag": result.etag,
        "bytes": result.bytes,
        "warnings": list(result.warnings),
        "alt": result.alt,
        "degraded": result.degraded,
        "error": None,
        "ready_at": now,
        "expires_at": lease.created_at + policy.retention,
        **RELEASED_VALUES,
    }
    fence = {"chart_id": lease.chart_id, "token": lease.token}
    return session.connection().execute(statements.COMPLETE, fence | statements.new_values(values)).rowcount == 1


def fail(session: Session, lease: RenderLease, reason: str, policy: Policy, *, now: datetime, final: bool) -> bool:
    """Record a failure: for good when it is final or the last attempt, else to be tried again by the sweep."""
    if final or lease.attempts >= policy.max_attempts:
        return _changed(session, _fenced(lease).values(status=FAILED, error=reason, **RELEASED_VALUES))
    again = now + policy.sweep_after * lease.attempts
    return _changed(session, _fenced(lease).values(status=QUEUED, error=reason, **RELEASED_VALUES | {"due_at": again}))


def wake_due(session: Session, policy: Policy, *, now: datetime, limit: int) -> list[str]:
    """Charts whose wake-up or worker was lost, queued again; those out of attempts are failed instead.

    Owners take turns, so that nobody waits behind everything that another one has due. At most `limit` charts.
    """
    owners = _owners_with_due(session, now, limit)
    share = max(1, limit // max(1, len(owners)))
    due = [_due_of(session, owner, now, share) for owner in owners]
    interleaved = [row for rank in zip_longest(*due) for row in rank if row is not None]
    lost = [row.id for row in interleaved if row.attempts >= policy.max_attempts]
    again = [row.id for row in interleaved if row.attempts < policy.max_attempts]
    session.execute(
        _of(lost).values(status=FAILED, error=func.coalesce(Chart.error, WORKER_LOST_ERROR), **RELEASED_VALUES)
    )
    session.execute(_of(again).values(due_at=now + policy.lease))
    # A lease that ran out, or a pause after a failure: the token stays, so that a worker that was only slow may finish.
    idle = _of(again).where(Chart.turn.is_(None))
    session.execute(idle.values(status=QUEUED, turn=lowest_service_tag(session)))
    return again


def expire(session: Session, *, now: datetime, limit: int) -> Sequence[str]:
    """Mark charts whose time is over; the paths of their files, to be deleted after the commit."""
    over = session.execute(
        select(Chart.id, Chart.path)
        .where(Chart.expires_at <= now, Chart.status == READY)
        .order_by(Chart.expires_at)
        .limit(limit)
    ).all()
    expired = _of(row.id for row in over).values(**EXPIRED_VALUES)
    session.execute(expired.execution_options(synchronize_session=False))
    return [row.path for row in over if row.path is not None]


def backlog(session: Session) -> Backlog:
    waiting, oldest = session.execute(
        select(func.count(), func.min(Chart.created_at)).where(Chart.status == QUEUED)
    ).one()
    return Backlog(waiting, oldest)


def find_by_signal(session: Session, signal_id: UUID) -> Chart | None:
    """The signal's own chart, if it has one yet."""
    return session.scalar(
        select(Chart).join(SignalChart, SignalChart.chart_id == Chart.id).where(SignalChart.signal_id == signal_id)
    )


def link_to_signal(session: Session, signal_id: UUID, chart_id: str) -> None:
    """Make a chart the signal's own; the first one stays."""
    session.execute(
        insert_or_conflict(session, SignalChart).values(signal_id=signal_id, chart_id=chart_id).on_conflict_do_nothing()
    )


def queued_values(now: datetime, policy: Policy, request_id: str, *, turn: float) -> dict[str, Any]:
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
        **RELEASED_VALUES,
        "due_at": now + policy.sweep_after,
        "turn": turn,
    }


def lowest_service_tag(session: Session) -> float:
    """The turn of a chart that is queued again: it has waited already, so it comes with the next one to be claimed."""
    turn: float = session.execute(statements.LOWEST_TAG).scalar_one()
    return turn


def _needs_redraw(chart: Chart) -> bool:
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


def _fenced(lease: RenderLease) -> Update:
    return update(Chart).where(Chart.id == lease.chart_id, Chart.lease_token == lease.token)


def _of(ids: Iterable[str]) -> Update:
    return update(Chart).where(Chart.id.in_(ids))


def _changed(session: Session, statement: Update) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1
