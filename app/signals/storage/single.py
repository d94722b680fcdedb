"""Stores signals that came one by one, each with the event that tells of it, or finds the stored one that is the same.

One trip to the database for either: storing is one statement on PostgreSQL, a short transaction on SQLite. Both keep
the rules of `bulk`, and the same tests hold all three to them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from sqlalchemy import Select, Table, and_, bindparam, exists, literal_column, select, true
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from app.events import service as events
from app.shared import failpoints
from app.shared.db import Database, driver_statement, uuid7
from app.signals import queries
from app.signals.domain import DedupRule, DuplicateSignal, Identity, MatchedOn, NewSignal
from app.signals.models import Signal, SignalRow

_TABLE: Final = cast("Table", Signal.__table__)
_INSIDE_WINDOW: Final = and_(
    _TABLE.c.dedup_key == bindparam("same_key"),
    _TABLE.c.time > bindparam("after"),
    _TABLE.c.time < bindparam("before"),
)
_PARAMETERS: Final = 6 + len(SignalRow._fields)
"""Of store_signal, a function of the migrations: locks, patience, window, id, kind and request of the event, and the
signal's columns.
"""


class Told(NamedTuple):
    """A signal on its way: by what it is known again, when it came and by which request."""

    new: NewSignal
    identity: Identity
    now: datetime
    request_id: str


def store(database: Database, told: Sequence[Told], rule: DedupRule, *, patient: bool) -> list[SignalRow | None]:
    """Store and commit those signals that are new, with their events. None for one that a stored signal is the same as.

    Of equal signals told at once one is stored. Whoever is `patient` waits for others who are at it and then sees
    theirs; for the impatient theirs is as good as stored, which only PostgreSQL knows. One transaction: what the
    database raises, it raises for all.
    """
    rows = [queries.row_of(each.new, each.identity, uuid7(), each.now) for each in told]
    if database.is_sqlite:
        stored = _keep_in_sqlite(database, rows, told, rule)
    else:
        stored = _keep_in_postgresql(database, rows, told, rule, patient=patient)
    return [row if new else None for row, new in zip(rows, stored, strict=True)]


def find_duplicate(database: Database, new: NewSignal, identity: Identity, rule: DedupRule) -> DuplicateSignal | None:
    """The refusal of `new`, if a stored signal is the same. By external_id first: that rule holds for ever."""
    same = {"same_producer": new.producer_id, "same_external_id": new.external_id}
    found = database.fetch_first(_same(), same | _inside_window(identity.window_key, new.time, rule))
    if found is None:
        return None
    matched_on, *columns = found
    existing = SignalRow(*columns)
    return DuplicateSignal(new, existing.id, queries.as_new_signal(existing), MatchedOn(matched_on))


def _keep_in_postgresql(
    database: Database, rows: Sequence[SignalRow], told: Sequence[Told], rule: DedupRule, *, patient: bool
) -> list[bool]:
    failpoints.reach("before_commit")
    parameters: list[Any] = []
    for row, each in zip(rows, told, strict=True):
        event = (uuid7(), events.SIGNAL_RECEIVED, each.request_id)
        parameters += (queries.locks([each.identity]), patient, rule.window, *event, *row)
    return [stored for (stored,) in database.execute_raw(_store_all(len(rows)), parameters)]


@functools.cache
def _store_all(count: int) -> str:
    # One after the other, and each sees those before it.
    return " UNION ALL ".join(_store_one(1 + index * _PARAMETERS) for index in range(count))


def _store_one(first: int) -> str:
    others = (f"${number}" for number in range(first + 1, first + _PARAMETERS))
    return f"SELECT store_signal(${first}::bigint[], {', '.join(others)})"


def _keep_in_sqlite(database: Database, rows: Sequence[SignalRow], told: Sequence[Told], rule: DedupRule) -> list[bool]:
    with database.transaction() as session:
        stored = [_insert(session, row, rule) for row in rows]
        new = ((row, each) for row, each, is_new in zip(rows, told, stored, strict=True) if is_new)
        happened = [events.Occurrence(str(row.id), each.now, each.request_id) for row, each in new]
        events.append_all(session, events.SIGNAL_RECEIVED, happened)
        failpoints.reach("before_commit")
    return stored


def _insert(session: Session, row: SignalRow, rule: DedupRule) -> bool:
    given = {f"new_{name}": value for name, value in row._asdict().items()}
    if rule.window_seconds:
        given |= _inside_window(row.dedup_key, row.time, rule)
    text, parameters = _insertion(windowed=rule.window_seconds > 0)
    values = tuple(bound(given[name]) for name, bound in parameters)
    return session.connection().exec_driver_sql(text, values).first() is not None


@functools.cache
def _insertion(*, windowed: bool) -> tuple[str, Sequence[tuple[str, Callable[[Any], Any]]]]:
    """INSERT ... SELECT the new values WHERE none is inside the window ON CONFLICT DO NOTHING RETURNING id.

    As the driver takes it, with the names of its parameters and how their values are bound: to find both anew for each
    signal costs more than to insert it.
    """
    values: list[Any] = [bindparam(f"new_{column.name}", type_=column.type) for column in _TABLE.columns]
    # SQLite takes ON CONFLICT after a SELECT for a join's ON unless there is a WHERE in between.
    source = select(*values).where(~exists(literal_column("1")).where(_INSIDE_WINDOW) if windowed else true())
    statement = sqlite.insert(_TABLE).from_select([column.name for column in _TABLE.columns], source)
    statement = statement.on_conflict_do_nothing(index_elements=["producer_id", "external_id"])
    return driver_statement(statement.returning(_TABLE.c.id), sqlite.dialect())


@functools.cache
def _same() -> Select[Any]:
    """The rule and the columns of the stored signal that is the same by it, by external_id before by window.

    A window of no seconds holds nothing, and no external_id equals none.
    """
    by_id = select(literal_column(f"'{MatchedOn.EXTERNAL_ID}'").label("matched_on"), *_TABLE.columns).where(
        _TABLE.c.producer_id == bindparam("same_producer"), _TABLE.c.external_id == bindparam("same_external_id")
    )
    oldest = select(_TABLE).where(_INSIDE_WINDOW).order_by(_TABLE.c.id).limit(1).subquery()
    by_window = select(literal_column(f"'{MatchedOn.WINDOW}'"), *oldest.columns)
    both = by_id.union_all(by_window).subquery()
    return select(both).order_by(both.c.matched_on).limit(1)


def _inside_window(key: str, moment: datetime, rule: DedupRule) -> dict[str, Any]:
    return {"same_key": key, "after": moment - rule.window, "before": moment + rule.window}
