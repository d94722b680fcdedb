"""Stores many signals of one producer in one transaction: one statement for each step, however many there are.

Where all are new, as nearly always, PostgreSQL takes all the steps in one trip.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from sqlalchemy import (
    Connection,
    FromClause,
    Integer,
    Row,
    Select,
    String,
    Table,
    and_,
    bindparam,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.selectable import CompoundSelect
from sqlalchemy.types import TypeEngine

from app.events import service as events
from app.shared import failpoints
from app.shared.db import RECORDS, Database, UtcDateTime, insert_many, records, recordset, uuid7
from app.shared.errors import DomainError, Unavailable
from app.signals import queries
from app.signals.batch import Item, NotStored, Stored, refusals
from app.signals.domain import DedupRule, MatchedOn
from app.signals.models import Signal, SignalRow

_TABLE: Final = cast("Table", Signal.__table__)
_WANTED: Final[Mapping[str, TypeEngine[Any]]] = {
    "number": Integer(),
    "producer_id": String(),
    "external_id": String(),
    "dedup_key": String(),
    "after": UtcDateTime(),
    "before": UtcDateTime(),
}
"""What is asked about each item, as the columns of a table."""
_LOCK: Final = text("SELECT pg_advisory_xact_lock(wanted) FROM unnest(CAST(:numbers AS bigint[])) AS wanted")

_STORE_NEW: Final = "SELECT store_batch($1::bigint[], $2, $3, $4, $5::json)"
"""The function of the migrations: locks, window, kind and request of the events, the signals with their events' ids."""


def store_new(
    database: Database, items: Sequence[Item], *, now: datetime, rule: DedupRule, request_id: str
) -> list[SignalRow] | None:
    """Store and commit all of them with their events, in one trip. None, and nothing changed, where one is not new.

    None on SQLite too, which has no trips to save. Raises what `ingest` raises.
    """
    if database.is_sqlite or refusals(items, {}, rule, atomic=True):
        return None
    failpoints.reach("before_commit")
    rows = [queries.row_of(item.new, item.identity, item.id, now) for item in items]
    told = records([row._asdict() | {"event_id": uuid7()} for row in rows])
    locks = queries.locks(item.identity for item in items)
    ((stored,),) = database.execute_raw(_STORE_NEW, (locks, rule.window, events.SIGNAL_RECEIVED, request_id, told))
    return rows if stored else None


def ingest(
    session: Session, items: Sequence[Item], *, now: datetime, rule: DedupRule, atomic: bool
) -> list[SignalRow | DomainError]:
    """Store those that are new: for each item, in their order, its signal or what refuses it.

    The keys of all items stay locked until the transaction ends. `atomic`: store all of them or none.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql":
        # A statement of its own: the next one must see what the transaction waited for has committed.
        connection.execute(_LOCK, {"numbers": queries.locks(item.identity for item in items)})
    verdicts = judge(session, items, rule=rule, atomic=atomic)
    accepted = [item for item, refusal in zip(items, verdicts, strict=True) if refusal is None]
    rows = {item.index: queries.row_of(item.new, item.identity, item.id, now) for item in accepted}
    try:
        insert_many(connection, Signal, [row._asdict() for row in rows.values()])
    except IntegrityError as error:
        # Only a writer that took no locks can come between the judgement and the insert.
        raise Unavailable("another signal with one of these external_ids came meanwhile", retry_after=1) from error
    return [refusal or rows[item.index] for item, refusal in zip(items, verdicts, strict=True)]


def judge(session: Session, items: Sequence[Item], *, rule: DedupRule, atomic: bool) -> list[DomainError | None]:
    """Why each item is refused, or None for one to store; sees only what is committed, and locks nothing."""
    refused = refusals(items, _stored(session.connection(), items, rule), rule, atomic=atomic)
    rest = NotStored() if atomic and refused else None
    return [refused.get(item.index, rest) for item in items]


def _stored(connection: Connection, items: Iterable[Item], rule: DedupRule) -> Stored:
    time = _sqlite_time if connection.dialect.name == "sqlite" else datetime.isoformat
    wanted = [
        {
            "number": item.index,
            "producer_id": item.new.producer_id,
            "external_id": item.new.external_id,
            "dedup_key": item.identity.window_key,
            "after": time(item.new.time - rule.window),
            "before": time(item.new.time + rule.window),
        }
        for item in items
    ]
    statement = _lookup(connection.dialect.name, windowed=rule.window_seconds > 0)
    rows: Iterable[Row[Any]] = connection.execute(statement, {RECORDS: records(wanted)})
    return {(row.number, MatchedOn(row.matched_on)): (row.id, queries.as_new_signal(row)) for row in rows}


@functools.cache
def _lookup(dialect: str, *, windowed: bool) -> Select[Any] | CompoundSelect[Any]:
    """For each wanted item the stored signal that is the same, by either rule: all the items in one statement."""
    table, wanted = _wanted(dialect)
    same = and_(_TABLE.c.producer_id == wanted["producer_id"], _TABLE.c.external_id == wanted["external_id"])
    number = wanted["number"].label("number")
    by_external_id = select(literal(MatchedOn.EXTERNAL_ID.value).label("matched_on"), number, *_TABLE.columns)
    by_external_id = by_external_id.select_from(table.join(_TABLE, same))
    if not windowed:
        return by_external_id
    other = _TABLE.alias("other")
    inside = and_(
        other.c.dedup_key == wanted["dedup_key"], other.c.time > wanted["after"], other.c.time < wanted["before"]
    )
    oldest = select(other.c.id).where(inside).order_by(other.c.id).limit(1).correlate(table).scalar_subquery()
    # Materialized, or a planner might try every stored signal with every item.
    found = select(number, oldest.label("id")).select_from(table).cte("found").prefix_with("MATERIALIZED")
    by_window = select(literal(MatchedOn.WINDOW.value).label("matched_on"), found.c.number, *_TABLE.columns)
    return union_all(by_external_id, by_window.select_from(found.join(_TABLE, _TABLE.c.id == found.c.id)))


def _wanted(dialect: str) -> tuple[FromClause, dict[str, ColumnElement[Any]]]:
    """The parameters as a table: both databases are handed one JSON text, however many items there are."""
    if dialect == "postgresql":
        table = recordset(_WANTED, "wanted")
        return table, {name: table.c[name] for name in _WANTED}
    objects = func.json_each(bindparam(RECORDS, type_=String())).table_valued("value", name="wanted")
    return objects, {
        name: func.json_extract(objects.c.value, f"$.{name}", type_=Integer() if name == "number" else String())
        for name in _WANTED
    }


def _sqlite_time(moment: datetime) -> str:
    """As SQLAlchemy stores it there: times are compared as the texts they are."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
