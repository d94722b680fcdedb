"""The life of a chart's row: requested, claimed under a lease, completed or failed by the holder of that lease."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import CursorResult, ScalarSelect, Update, select, update
from sqlalchemy.orm import Session

from app.charts import statements
from app.charts.cost import estimate_milliseconds
from app.charts.domain import ChartSpec, canonical, canonical_id
from app.charts.models import Chart, SignalChart
from app.charts.policy import Policy
from app.charts.statements import LOWEST_TAG, RELEASED_VALUES
from app.shared.db import insert_or_conflict
from app.shared.errors import DomainError, ErrorKind, Gone, NotFound, Unavailable

QUEUED: Final = "queued"
RENDERING: Final = "rendering"
READY: Final = "ready"
FAILED: Final = "failed"
EXPIRED: Final = "expired"
WAITING: Final = (QUEUED, RENDERING)
QUEUE_FULL_RETRY_SECONDS: Final = 5


class ChartFailed(DomainError):
    kind: ClassVar = ErrorKind.FAILED_DEPENDENCY
    slug: ClassVar = "chart-failed"
    title: ClassVar = "The chart could not be drawn"


class RequestResult(NamedTuple):
    """A requested chart. `wake`: the caller must wake a worker after its commit."""

    chart: Chart
    wake: bool


class RenderLease(NamedTuple):
    """The right to draw one chart until the lease ends. `token` is the fencing token of `complete` and `fail`."""

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
    """A stored image: its path in the media store, its SHA-256 and size, and what the engine reports of it."""

    path: str
    etag: str
    bytes: int
    warnings: list[str]
    alt: str
    degraded: bool


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
    """Return the chart of this spec, or queue a new one. Equal requests of an owner share one row and one render.

    The queue is scheduled by self-clocked fair queueing (Golestani, INFOCOM 1994) with owners for flows and estimated
    milliseconds of drawing for packet lengths. The column `turn` is the service tag (virtual finish time): the later of
    the owner's last tag and the tag that is claimed next, plus the estimated cost of this chart.

    Raises Unavailable when `policy.max_queue` charts wait, or when as many charts of this owner wait as the queue has
    free places. `ignore_queue_limit` skips both checks.
    """
    text = canonical(spec)
    chart_id = canonical_id(text, owner=owner, engine_version=policy.engine_version)
    parameters = {"chart_id": chart_id, "max_queue": policy.max_queue, "owner": owner}
    existing, waiting, own, *tags = session.execute(statements.LOOK_UP, parameters).one()
    if existing is not None and not _needs_redraw(existing):
        return RequestResult(existing, wake=False)
    if not ignore_queue_limit:
        _check_queue_limits(policy.max_queue, waiting, own, owner)
    values = queued_values(now, policy, request_id, turn=max(tags) + estimate_milliseconds(spec))
    if existing is not None:
        # The status is compared so that only one of two concurrent requests queues the chart: the second must not take
        # it from a worker that has claimed it since.
        unchanged = update(Chart).where(Chart.id == chart_id, Chart.status == existing.status)
        queued = update_one(session, unchanged.values(**values))
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
        **values,
    }
    insert = statements.insert_new(session.get_bind().dialect.name)
    if session.connection().execute(insert, row).first() is None:
        return RequestResult(session.get_one(Chart, chart_id), wake=False)
    return RequestResult(Chart(**row), wake=True)


def _needs_redraw(chart: Chart) -> bool:
    """Whether a new request draws the chart again: it failed, expired, or is only a placeholder."""
    return chart.status in (FAILED, EXPIRED) or (chart.status == READY and chart.degraded)


def _check_queue_limits(max_queue: int, waiting: int, own: int, owner: str) -> None:
    """Raise Unavailable when the queue is full, or when the owner has as many charts waiting as there are free places.

    Dynamic thresholds (Choudhury and Hahne, IEEE/ACM Transactions on Networking 6(2), 1998): one owner alone gets half
    of the queue, two get a third each, and no owner all of it.
    """
    if waiting >= max_queue:
        message = f"the queue is full: {waiting} charts wait, {own} of them of {owner}"
        raise Unavailable(message, retry_after=QUEUE_FULL_RETRY_SECONDS)
    if own >= max(1, max_queue - waiting):
        message = f"{owner} has its share of the queue: {own} of the {waiting} charts that wait, of {max_queue} places"
        raise Unavailable(message, retry_after=QUEUE_FULL_RETRY_SECONDS)


def find(session: Session, chart_id: str) -> Chart:
    """Raises NotFound."""
    chart = session.scalar(statements.FIND, {"chart_id": chart_id})
    if chart is None:
        raise NotFound(f"there is no chart {chart_id}")
    return chart


def find_by_signal(session: Session, signal_id: UUID) -> Chart | None:
    """Return the signal's own chart, or None before there is one."""
    return session.scalar(
        select(Chart).join(SignalChart, SignalChart.chart_id == Chart.id).where(SignalChart.signal_id == signal_id)
    )


def link_to_signal(session: Session, signal_id: UUID, chart_id: str) -> None:
    """Make a chart the signal's own. A signal that has one keeps it."""
    session.execute(
        insert_or_conflict(session, SignalChart).values(signal_id=signal_id, chart_id=chart_id).on_conflict_do_nothing()
    )


def image_path(chart: Chart) -> str | None:
    """Return the image's path in the media store, or None while the chart waits. Raises Gone and ChartFailed."""
    if chart.status == EXPIRED:
        raise Gone("the image was removed after its time; the same request draws it again")
    if chart.status == FAILED:
        raise ChartFailed(chart.error or "for an unknown reason")
    return chart.path if chart.status == READY else None


def claim_next(session: Session, policy: Policy, *, now: datetime) -> RenderLease | None:
    """Lease the queued chart with the lowest service tag. None when the queue is empty."""
    token = uuid4()
    values = {"max_attempts": policy.max_attempts, "token": token, "until": now + policy.lease}
    row = session.connection().execute(statements.CLAIM, values).first()
    return None if row is None else RenderLease(token, *row)


def complete(session: Session, lease: RenderLease, result: RenderResult, policy: Policy, *, now: datetime) -> bool:
    """Record the image. Returns False, and changes nothing, when another worker has claimed the chart since."""
    times = {"ready_at": now, "expires_at": lease.created_at + policy.retention}
    values = {f"new_{name}": value for name, value in (asdict(result) | times).items()}
    fence = {"chart_id": lease.chart_id, "token": lease.token}
    return session.connection().execute(statements.COMPLETE, fence | values).rowcount == 1


def fail(session: Session, lease: RenderLease, reason: str, policy: Policy, *, now: datetime, final: bool) -> bool:
    """Record a failed attempt. The sweep retries the chart unless this was `final` or the last attempt.

    Returns False, and changes nothing, when another worker has claimed the chart since.
    """
    values: dict[str, Any] = {"status": FAILED, "error": reason, **RELEASED_VALUES}
    if not final and lease.attempts < policy.max_attempts:
        values |= {"status": QUEUED, "due_at": now + policy.sweep_after * lease.attempts}
    fenced = update(Chart).where(Chart.id == lease.chart_id, Chart.lease_token == lease.token)
    return update_one(session, fenced.values(**values))


def redraw(session: Session, chart_id: str, policy: Policy, *, now: datetime, request_id: str) -> bool:
    """Queue a ready chart whose file is missing. Returns False when the chart is not ready any more."""
    return requeue(session, chart_id, READY, policy, now=now, request_id=request_id)


def requeue(session: Session, chart_id: str, status: str, policy: Policy, *, now: datetime, request_id: str) -> bool:
    """Queue a chart of this status as if it had never been drawn. Returns False when it has another status."""
    unchanged = update(Chart).where(Chart.id == chart_id, Chart.status == status)
    return update_one(session, unchanged.values(**queued_values(now, policy, request_id)))


def queued_values(
    now: datetime, policy: Policy, request_id: str, *, turn: float | ScalarSelect[float] = LOWEST_TAG
) -> dict[str, Any]:
    """The columns of a queued chart without an image. `turn` is its service tag: by default it is claimed next."""
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


def update_one(session: Session, statement: Update) -> bool:
    """Execute an update of one row. Returns whether the row was there and matched."""
    result = session.execute(statement, execution_options={"synchronize_session": False})
    return isinstance(result, CursorResult) and result.rowcount == 1
