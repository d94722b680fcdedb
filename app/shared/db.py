"""Database sessions, transactions and column types, the same on PostgreSQL and SQLite."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, cast

import orjson
import psycopg
from sqlalchemy import (
    DateTime,
    Dialect,
    Executable,
    Index,
    Insert,
    MetaData,
    Numeric,
    String,
    TableValuedAlias,
    bindparam,
    column,
    event,
    func,
    insert,
    select,
    text,
)
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import uuid7

from app.shared.engines import BEGIN_DEADLINE, postgresql_engine, sqlite_engine
from app.shared.fifo_lock import FifoLock

__all__ = [
    "Base",
    "Database",
    "ExactDecimal",
    "UtcDateTime",
    "insert_many",
    "insert_or_conflict",
    "partial_index",
    "uuid7",
]

_NAMING: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMING)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime to the microsecond; naive values are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime: it needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal with all its digits: NUMERIC on PostgreSQL; text on SQLite, which would store a float."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(64) if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else Decimal(value)


def partial_index(name: str, *columns: str, where: str) -> Index:
    """An index of the rows that match a condition, on both databases."""
    return Index(name, *columns, postgresql_where=text(where), sqlite_where=text(where))


def insert_or_conflict(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with ON CONFLICT, in the dialect of the session's database."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


def driver_statement(
    statement: Insert | sqlite.Insert, dialect: Dialect
) -> tuple[str, Sequence[tuple[str, Callable[[Any], Any]]]]:
    """A statement for the driver: its text, and the names of its parameters in order, each with its bind processor."""
    compiled = statement.compile(dialect=dialect)
    names = compiled.positiontup or ()
    bound = (compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect) for name in names)
    return str(compiled), tuple(zip(names, (each or _unchanged for each in bound), strict=True))


def _unchanged(value: Any) -> Any:
    return value


def insert_many(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns in one statement. Raises sqlalchemy.exc.IntegrityError.

    PostgreSQL gets one JSON text: hundreds of placeholders cost its driver more time than the rows cost the server.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        connection.execute(_insert_recordset(table, tuple(rows[0])), {RECORDS: records(rows)})
    else:
        connection.execute(insert(table), list(rows))


RECORDS: Final = "records"
"""The parameter of `recordset`."""


def recordset(columns: Mapping[str, TypeEngine[Any]], name: str) -> TableValuedAlias:
    """A table of these columns that PostgreSQL reads from one JSON text."""
    text = sql_cast(bindparam(RECORDS, type_=String()), postgresql.JSON)
    typed = (column(each, kind) for each, kind in columns.items())
    return func.json_to_recordset(text).table_valued(*typed, name=name).render_derived(with_types=True)


def records(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the JSON text for `recordset`. Decimals are strings, which keeps them exact."""
    return orjson.dumps(rows, default=str).decode()


@functools.cache
def _insert_recordset(table: type[Base], names: tuple[str, ...]) -> Insert:
    rows = recordset({name: table.__table__.c[name].type for name in names}, "new")
    return insert(table).from_select(list(names), select(rows))


class Database:
    """One engine and its transactions. Connections are made on first use, so a process may fork before it."""

    def __init__(self, url: str, *, pool_size: int = 10, timeout_seconds: float = 2.0) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = (sqlite_engine if self.is_sqlite else postgresql_engine)(url, pool_size, timeout_seconds)
        self._reader = self.engine.execution_options(reading=True)
        event.listen(self._reader, "before_execute", _refuse_change)
        self._not_durable = self.engine.execution_options(durable=False)
        self._timeout_seconds = timeout_seconds
        self.error_listeners: list[Callable[[BaseException], None]] = []
        """Called with each of the driver's errors."""
        event.listen(self.engine, "handle_error", lambda context: self._report(context.original_exception))
        self._write_lock = FifoLock()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when the block raises.

        Without `durable` the commit does not wait for the disk: if the host of the database fails within the next
        moments, the whole transaction may be lost. For work that is then done again without harm.
        """
        engine = self.engine if durable else self._not_durable
        with ExitStack() as stack:
            deadline = time.monotonic() + self._timeout_seconds
            if self.is_sqlite:
                self._lock_for_writing(stack)
            session = stack.enter_context(Session(engine, expire_on_commit=False))
            stack.enter_context(session.begin())
            if self.is_sqlite:
                session.connection(execution_options={BEGIN_DEADLINE: deadline})
            yield session

    def _lock_for_writing(self, stack: ExitStack) -> None:
        """SQLite has one writer at a time: the threads of this process wait here in order, and one waits in SQLite."""
        try:
            stack.enter_context(self._write_lock.hold(self._timeout_seconds))
        except TimeoutError as error:
            raise OperationalError("BEGIN", None, error) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A read-only session: no write lock, and on PostgreSQL one round trip for each statement."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def execute_raw(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of one PostgreSQL statement with parameters $1, $2 ...: a transaction of its own, in one round trip.

        For the most frequent statements: SQLAlchemy costs as much time as the round trip, and the driver otherwise
        searches the text for placeholders each time. Raises sqlalchemy.exc.DBAPIError.
        """
        try:
            with closing(self.engine.raw_connection()) as pooled:
                connection = cast("psycopg.Connection[tuple[Any, ...]]", pooled.driver_connection)
                try:
                    return psycopg.RawCursor(connection).execute(statement, parameters).fetchall()
                finally:
                    if connection.closed:
                        pooled.invalidate()
        except psycopg.Error as error:
            self._report(error)
            raise DBAPIError.instance(statement, None, error, psycopg.Error, hide_parameters=True) from error

    def _report(self, error: BaseException) -> None:
        for listener in self.error_listeners:
            listener(error)

    def dispose(self) -> None:
        self.engine.dispose()


def _refuse_change(_connection: Connection, statement: Executable, *_: Any) -> None:
    if statement.is_dml:
        raise RuntimeError("a session for reading cannot change data")
