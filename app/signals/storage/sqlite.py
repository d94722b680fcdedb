"""Stores signals in SQLite: one after the other, in one transaction. SQLite has one writer at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from sqlalchemy import Connection, Select, Table, and_, bindparam, exists, literal_column, select
from sqlalchemy.dialects import sqlite

from app.events import service as events
from app.shared import failpoints
from app.shared.db import Database, driver_statement
from app.signals import queries
from app.signals.batch import IncomingSignal
from app.signals.domain import DedupRule, MatchedOn
from app.signals.models import Signal, SignalRow
from app.signals.storage.outcome import Existing, Outcome

_TABLE: Final = cast("Table", Signal.__table__)
_INSIDE_WINDOW: Final = and_(
    _TABLE.c.dedup_key == bindparam("same_key"),
    _TABLE.c.time > bindparam("after"),
    _TABLE.c.time < bindparam("before"),
)
"""The window rule. A window of no seconds holds nothing."""


def store(database: Database, items: Sequence[IncomingSignal], rule: DedupRule, *, atomic: bool) -> list[Outcome]:
    """One transaction. With `atomic`, nothing is stored unless all are new."""
    with database.transaction() as session:
        connection = session.connection()
        outcomes = [_store_one(connection, item, rule) for item in items]
        stored = [item for item, outcome in zip(items, outcomes, strict=True) if isinstance(outcome, SignalRow)]
        if atomic and len(stored) < len(items):
            session.rollback()
            return outcomes
        received = [events.Occurrence(str(item.id), item.received_at, item.request_id) for item in stored]
        events.append_all(session, events.SIGNAL_RECEIVED, received)
        failpoints.reach("before_commit")
    return outcomes


def find_existing(database: Database, items: Sequence[IncomingSignal], rule: DedupRule) -> list[Existing | None]:
    with database.reading() as session:
        return [_find_one(session.connection(), item, rule) for item in items]


def _store_one(connection: Connection, item: IncomingSignal, rule: DedupRule) -> Outcome:
    row = queries.to_row(item)
    values = {f"new_{name}": value for name, value in row._asdict().items()} | _window(item, rule)
    statement, parameters = _insertion()
    bound = tuple(bind(values[name]) for name, bind in parameters)
    if connection.exec_driver_sql(statement, bound).first() is not None:
        return row
    existing = _find_one(connection, item, rule)
    if existing is None:
        raise RuntimeError("the insert and the lookup judge a signal differently")
    return existing


def _find_one(connection: Connection, item: IncomingSignal, rule: DedupRule) -> Existing | None:
    same = {"same_producer": item.new.producer_id, "same_external_id": item.new.external_id}
    row = connection.execute(_existing(), same | _window(item, rule)).first()
    if row is None:
        return None
    matched_on, *columns = row
    return Existing(SignalRow(*columns), MatchedOn(matched_on))


def _window(item: IncomingSignal, rule: DedupRule) -> dict[str, Any]:
    time = item.new.time
    return {"same_key": item.identity.window_key, "after": time - rule.window, "before": time + rule.window}


@functools.cache
def _insertion() -> tuple[str, Sequence[tuple[str, Callable[[Any], Any]]]]:
    """INSERT ... SELECT the new values WHERE none is inside the window ON CONFLICT DO NOTHING RETURNING id.

    As the driver takes it, with the names of its parameters and how their values are bound: to find both anew for each
    signal costs more than to insert it.
    """
    values: list[Any] = [bindparam(f"new_{column.name}", type_=column.type) for column in _TABLE.columns]
    source = select(*values).where(~exists(literal_column("1")).where(_INSIDE_WINDOW))
    statement = sqlite.insert(_TABLE).from_select([column.name for column in _TABLE.columns], source)
    statement = statement.on_conflict_do_nothing(index_elements=["producer_id", "external_id"])
    return driver_statement(statement.returning(_TABLE.c.id), sqlite.dialect())


@functools.cache
def _existing() -> Select[Any]:
    """The rule and the columns of the stored signal that is the same by it: by external_id before by window."""
    by_id = select(literal_column(f"'{MatchedOn.EXTERNAL_ID}'").label("matched_on"), *_TABLE.columns).where(
        _TABLE.c.producer_id == bindparam("same_producer"), _TABLE.c.external_id == bindparam("same_external_id")
    )
    first = select(_TABLE).where(_INSIDE_WINDOW).order_by(_TABLE.c.time).limit(1).subquery()
    by_window = select(literal_column(f"'{MatchedOn.WINDOW}'"), *first.columns)
    both = by_id.union_all(by_window).subquery()
    return select(both).order_by(both.c.matched_on).limit(1)
