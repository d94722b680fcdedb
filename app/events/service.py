"""Appends events with the facts they tell of, and hands the undispatched ones out, each once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
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
    """How many wait, and since when the oldest does."""

    waiting: int
    oldest: datetime | None


class Occurrence(NamedTuple):
    """To what it happened, when, and by which request."""

    subject: str
    occurred_at: datetime
    request_id: str


def append_all(session: Session, kind: str, occurrences: Iterable[Occurrence]) -> None:
    """Write one event for each. It is undispatched until `claim` gives it out."""
    rows = [
        _row(kind, subject, now=occurred_at, request_id=request_id) for subject, occurred_at, request_id in occurrences
    ]
    insert_many(session.connection(), Event, rows)


def claim(session: Session, *, now: datetime, limit: int, after: UUID | None = None) -> Sequence[Event]:
    """The oldest undispatched events, marked as dispatched in this transaction; other takers skip them.

    `after` leaves out what came up to that event: those that were taken and given back are for another time.
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
    """Take back what `claim` marked, unless these were attempts enough. Whether it will be tried again."""
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
    """How far an event has got: queued, done, or failed when it was given up."""
    if event.dispatched_at is None:
        return QUEUED
    return DONE if event.error is None else FAILED


def find_by_status(session: Session, statuses: Sequence[str], *, limit: int) -> Sequence[Event]:
    """The latest events of these statuses, newest first; there are none of a status that events do not have."""
    matches = or_(false(), *(_CONDITIONS[name] for name in statuses if name in _CONDITIONS))
    return session.scalars(select(Event).where(matches).order_by(Event.id.desc()).limit(limit)).all()


def retry(session: Session, event_id: UUID) -> bool:
    """Give a given-up event out again. Whether there was one; the caller wakes the dispatcher."""
    return bool(session.scalars(_requeue_failed().where(Event.id == event_id)).all())


def retry_failed(session: Session, *, limit: int) -> int:
    """Give up to `limit` given-up events out again, the oldest first; how many."""
    failed = select(Event.id).where(_CONDITIONS[FAILED]).order_by(Event.id).limit(limit)
    return len(session.scalars(_requeue_failed().where(Event.id.in_(failed))).all())


def cancel(session: Session, event_id: UUID, *, now: datetime) -> bool:
    """Give up an event that nobody has followed up yet. Whether there was one."""
    cancelled = (
        update(Event).where(Event.id == event_id, _CONDITIONS[QUEUED]).values(dispatched_at=now, error=CANCELLED)
    )
    return bool(session.scalars(cancelled.returning(Event.id)).all())


def delete_dispatched(session: Session, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` events dispatched before then; how many went."""
    old = select(Event.id).where(Event.dispatched_at < before).limit(limit)
    return len(session.execute(delete(Event).where(Event.id.in_(old)).returning(Event.id)).all())


def _row(kind: str, subject: str, *, now: datetime, request_id: str) -> dict[str, Any]:
    event = {"id": uuid7(), "kind": kind, "subject": subject, "data": {}, "request_id": request_id}
    return event | {"happened_at": now, "attempts": 0}


def _requeue_failed() -> ReturningUpdate[tuple[UUID]]:
    return (
        update(Event).where(_CONDITIONS[FAILED]).values(dispatched_at=None, attempts=0, error=None).returning(Event.id)
    )
