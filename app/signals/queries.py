"""Finds stored signals, and says what one is stored as. The database is the judge of what is a duplicate."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, select
from sqlalchemy.orm import Session

from app.shared import exact_json
from app.signals.domain import (
    Identity,
    NewSignal,
    Status,
    UnknownSignal,
)
from app.signals.models import Signal, SignalRow

_TABLE = cast("Table", Signal.__table__)


@dataclass(frozen=True, slots=True)
class SignalFilter:
    """Which signals are wanted; None is any. `since` <= time < `until`."""

    instrument: str | None = None
    side: str | None = None
    status: str | None = None
    producer_id: str | None = None
    version: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def get(session: Session, signal_id: UUID) -> Signal:
    """Raises UnknownSignal."""
    signal = session.get(Signal, signal_id)
    if signal is None:
        raise UnknownSignal(str(signal_id))
    return signal


def search(session: Session, wanted: SignalFilter, *, after_id: UUID | None, limit: int) -> Sequence[Signal]:
    """Newest first, by the order they came in; those that come after `after_id` in that order, or the newest."""
    statement = select(Signal).where(*_conditions(wanted)).order_by(Signal.id.desc()).limit(limit)
    if after_id is not None:
        statement = statement.where(Signal.id < after_id)
    return session.scalars(statement).all()


def scan(session: Session, wanted: SignalFilter, *, after_id: UUID | None, limit: int) -> Sequence[Row[Any]]:
    """The same as rows of the table, several times as fast: for those who read very many."""
    statement = select(_TABLE).where(*_conditions(wanted)).order_by(_TABLE.c.id.desc()).limit(limit)
    if after_id is not None:
        statement = statement.where(_TABLE.c.id < after_id)
    return session.connection().execute(statement).all()


def as_new_signal(signal: Signal | SignalRow | Row[Any]) -> NewSignal:
    """What its producer told, from what is stored."""
    return NewSignal(
        producer_id=signal.producer_id,
        external_id=signal.external_id,
        instrument=signal.instrument,
        side=signal.side,
        price=signal.price,
        time=signal.time,
        version=signal.version,
        payload=exact_json.loads(signal.payload.encode()),
        signed=signal.signed,
    )


def row_of(new: NewSignal, identity: Identity, signal_id: UUID, now: datetime) -> SignalRow:
    """A new signal as a row of the table."""
    return SignalRow(
        id=signal_id,
        producer_id=new.producer_id,
        external_id=new.external_id,
        instrument=new.instrument,
        side=new.side,
        price=new.price,
        time=new.time,
        version=new.version,
        payload=exact_json.dumps(new.payload).decode(),
        status=Status.NEW.value,
        signed=new.signed,
        dedup_key=identity.window_key,
        received_at=now,
    )


def locks(identities: Iterable[Identity]) -> list[int]:
    """What must not be told by two transactions at once, as numbers of PostgreSQL's advisory locks.

    Always taken in this one order, so that two transactions never wait for each other. SQLite needs none of it: its
    writers come one by one.
    """
    keys = {key for identity in identities for key in (identity.window_key, identity.external_key) if key}
    return sorted(map(_lock_number, keys))


def _lock_number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)


def _conditions(wanted: SignalFilter) -> list[ColumnElement[bool]]:
    conditions = [
        getattr(Signal, name) == value
        for name in ("instrument", "side", "status", "producer_id", "version")
        if (value := getattr(wanted, name)) is not None
    ]
    if wanted.since is not None:
        conditions.append(Signal.time >= wanted.since)
    if wanted.until is not None:
        conditions.append(Signal.time < wanted.until)
    return conditions
