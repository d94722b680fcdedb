"""The transactional outbox: appends events, claims undispatched ones, records failures, deletes old ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, delete, false, func, or_, select, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from app.events.models import Event
from app.shared.db import insert_many, uuid7

SIGNAL_RECEIVED: Final = "signal.received"

QUEUED: Final = "queued"
FAILED: Final = "failed"
DONE: Final = "done"
UNFINISHED: Final = (QUEUED, FAILED)
CANCELLED: Final = "cancelled"
_CONDITIONS: Final = {
    QUEUED: Event.dispatched_at.is_(None),
    FAILED: and_(Event.dispatched_at.is_not(None), Event.error.is_not(None)),
    DONE: and_(Event.dispatched_at.is_not(None), Event.error.is_(None)),
}


class Backlog(NamedTuple):
    """How many events are undispatched, and when the oldest of them occurred (None when there is none)."""

    waiting: int
    oldest: datetime | None


class Occurrence(NamedTuple):
    """An event to append: the id of its subject, its time, and the id of the request that caused it."""

    subject: str
    happened_at: datetime
    request_id: str


def append_all(session: Session, kind: str, occurrences: Iterable[Occurrence]) -> None:
    """Append one undispatched event of this kind for each occurrence."""
    rows = [
        {"id": uuid7(), "kind": kind, "data": {}, "attempts": 0} | occurrence._asdict() for occurrence in occurrences
    ]
    insert_many(session.connection(), Event, rows)


def claim(session: Session, *, now: datetime, limit: int, after: UUID | None = None) -> Sequence[Event]:
    """Mark the oldest undispatched events as dispatched and return them. Concurrent callers skip them.

    `after` excludes events up to this id, so that a dispatcher does not claim events again whose handling just failed.
    """
    events = session.scalars(
        select(Event)
        .where(Event.dispatched_at.is_(None), *([Event.id > after] if after else []))
        .order_by(Event.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for event in events:
        event.dispatched_at = now
    return events


def record_failure(event: Event, reason: str, *, max_attempts: int) -> bool:
    """Record a failed attempt. Unless it was the last, make the event undispatched again and return True."""
    event.attempts += 1
    event.error = reason
    if event.attempts >= max_attempts:
        return False
    event.dispatched_at = None
    return True


def backlog(session: Session) -> Backlog:
    waiting, oldest = session.execute(
        select(func.count(), func.min(Event.happened_at)).where(Event.dispatched_at.is_(None))
    ).one()
    return Backlog(waiting, oldest)


def status(event: Event) -> str:
    """The event's status as a job: queued, done, or failed after its last attempt."""
    if event.dispatched_at is None:
        return QUEUED
    return DONE if event.error is None else FAILED


def find_by_status(session: Session, statuses: Sequence[str], *, limit: int) -> Sequence[Event]:
    """Return the latest events of these statuses, newest first. Statuses that only charts have match no event."""
    matches = or_(false(), *(_CONDITIONS[name] for name in statuses if name in _CONDITIONS))
    return session.scalars(select(Event).where(matches).order_by(Event.id.desc()).limit(limit)).all()


def retry(session: Session, event_id: UUID) -> bool:
    """Make a failed event undispatched. Returns False when it has not failed. The caller wakes the dispatcher."""
    return bool(session.scalars(_requeue_failed().where(Event.id == event_id)).all())


def retry_failed(session: Session, *, limit: int) -> int:
    """Make up to `limit` failed events undispatched, the oldest first. Returns how many."""
    failed = select(Event.id).where(_CONDITIONS[FAILED]).order_by(Event.id).limit(limit)
    return len(session.scalars(_requeue_failed().where(Event.id.in_(failed))).all())


def cancel(session: Session, event_id: UUID, *, now: datetime) -> bool:
    """Fail an undispatched event. Returns False when it is dispatched already."""
    cancelled = (
        update(Event).where(Event.id == event_id, _CONDITIONS[QUEUED]).values(dispatched_at=now, error=CANCELLED)
    )
    return bool(session.scalars(cancelled.returning(Event.id)).all())


def delete_dispatched(session: Session, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` events that were dispatched before this time. Returns how many."""
    old = select(Event.id).where(Event.dispatched_at < before).limit(limit)
    return len(session.execute(delete(Event).where(Event.id.in_(old)).returning(Event.id)).all())


def _requeue_failed() -> ReturningUpdate[tuple[UUID]]:
    return (
        update(Event).where(_CONDITIONS[FAILED]).values(dispatched_at=None, attempts=0, error=None).returning(Event.id)
    )
