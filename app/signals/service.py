"""Stores signals once and finds them again. The database is the judge of what is a duplicate; nothing here commits."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    Table,
    and_,
    bindparam,
    exists,
    literal,
    select,
    text,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.shared import exact_json
from app.shared.db import uuid7
from app.shared.errors import Unavailable
from app.signals.domain import (
    DedupRule,
    DuplicateSignal,
    MatchedOn,
    NewSignal,
    Status,
    UnknownSignal,
    external_key,
)
from app.signals.models import Signal

_TABLE = cast("Table", Signal.__table__)
_INSIDE_WINDOW = and_(
    _TABLE.c.dedup_key == bindparam("same_key"),
    _TABLE.c.time > bindparam("after"),
    _TABLE.c.time < bindparam("before"),
)
# Made once: to build a statement takes longer than the database takes to run it.
_BY_WINDOW = select(_TABLE).where(_INSIDE_WINDOW).order_by(_TABLE.c.id).limit(1)
_BY_EXTERNAL_ID = select(_TABLE).where(
    _TABLE.c.producer_id == bindparam("same_producer"), _TABLE.c.external_id == bindparam("same_external_id")
)
_LOCK = text("SELECT pg_advisory_xact_lock(wanted) FROM unnest(CAST(:numbers AS bigint[])) AS wanted")


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


def ingest(
    session: Session, new: NewSignal, *, now: datetime, window_seconds: int, dedup_fields: tuple[str, ...]
) -> Signal:
    """Store the signal unless it is a duplicate. Raises DuplicateSignal, which names the one that is stored.

    The keys of the signal stay locked until the transaction ends: of equal signals posted at once, one is stored and
    the others find it.
    """
    rule = DedupRule(window_seconds, dedup_fields)
    values = row_of(new, rule.key(new), uuid7(), now)
    connection = session.connection()
    lock(connection, lock_keys(new, values["dedup_key"]))
    parameters = {f"new_{name}": value for name, value in values.items()}
    if window_seconds:
        parameters |= _window(new, rule, values["dedup_key"])
    insertion = _insertion(connection.dialect.name, windowed=window_seconds > 0)
    if connection.execute(insertion, parameters).first() is None:
        # Only a signal deleted between the two statements leaves nothing to be found.
        raise find_duplicate(session, new, rule) or Unavailable("what this one repeats was just deleted", retry_after=1)
    return Signal(**values)


def get(session: Session, signal_id: UUID) -> Signal:
    """Raises UnknownSignal."""
    signal = session.get(Signal, signal_id)
    if signal is None:
        raise UnknownSignal(str(signal_id))
    return signal


def find_duplicate(session: Session, new: NewSignal, rule: DedupRule) -> DuplicateSignal | None:
    """The refusal of `new`, if a stored signal is the same. By external_id first: that rule holds for ever."""
    connection = session.connection()
    if new.external_id is not None:
        same = {"same_producer": new.producer_id, "same_external_id": new.external_id}
        existing = connection.execute(_BY_EXTERNAL_ID, same).first()
        if existing is not None:
            return DuplicateSignal(new, existing.id, as_new_signal(existing), MatchedOn.EXTERNAL_ID)
    if rule.window_seconds:
        existing = connection.execute(_BY_WINDOW, _window(new, rule, rule.key(new))).first()
        if existing is not None:
            return DuplicateSignal(new, existing.id, as_new_signal(existing), MatchedOn.WINDOW)
    return None


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


def as_new_signal(signal: Signal | Row[Any]) -> NewSignal:
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


def row_of(new: NewSignal, dedup_key: str, signal_id: UUID, now: datetime) -> dict[str, Any]:
    """A signal as a row of the table."""
    return {
        "id": signal_id,
        "producer_id": new.producer_id,
        "external_id": new.external_id,
        "instrument": new.instrument,
        "side": new.side,
        "price": new.price,
        "time": new.time,
        "version": new.version,
        "payload": exact_json.dumps(dict(new.payload)).decode(),
        "status": Status.NEW.value,
        "signed": new.signed,
        "dedup_key": dedup_key,
        "received_at": now,
    }


def lock_keys(new: NewSignal, dedup_key: str) -> list[str]:
    """What must not be told by two transactions at once."""
    keys = [dedup_key]
    if new.external_id is not None:
        keys.append(external_key(new.producer_id, new.external_id))
    return keys


def lock(connection: Connection, keys: Iterable[str]) -> None:
    """Wait until no other transaction works on these keys. Always in one order, so that two never wait for each other.

    A statement of its own: the next one must see what the transaction waited for has committed. SQLite needs none of
    it, its writers come one by one.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"numbers": sorted({_lock_number(key) for key in keys})})


def _lock_number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)


@functools.cache
def _insertion(dialect: str, *, windowed: bool) -> Insert:
    """INSERT ... SELECT the new values WHERE none is inside the window ON CONFLICT DO NOTHING RETURNING id."""
    values = [bindparam(f"new_{column.name}", type_=column.type) for column in _TABLE.columns]
    # SQLite takes ON CONFLICT after a SELECT for a join's ON unless there is a WHERE in between.
    source = select(*values).where(~exists(literal(1)).where(_INSIDE_WINDOW) if windowed else true())
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement = insert(_TABLE).from_select([column.name for column in _TABLE.columns], source)
    return statement.on_conflict_do_nothing(index_elements=["producer_id", "external_id"]).returning(_TABLE.c.id)


def _window(new: NewSignal, rule: DedupRule, dedup_key: str) -> dict[str, Any]:
    return {"same_key": dedup_key, "after": new.time - rule.window, "before": new.time + rule.window}


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
