"""Engine, sessions and column types, alike on PostgreSQL and SQLite.

Edges open transactions here; services never commit.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson
import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import (
    DateTime,
    Dialect,
    Engine,
    Insert,
    MetaData,
    Numeric,
    String,
    TableValuedAlias,
    bindparam,
    cast,
    column,
    create_engine,
    event,
    func,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator, TypeEngine
from uuid_utils.compat import uuid7

__all__ = ["Base", "Database", "ExactDecimal", "UtcDateTime", "insert_many", "insert_or_conflict", "uuid7"]

SERVER_FIRST_SECONDS: Final = 0.5
TRUSTED_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 0.1
Answer = TypeVar("Answer")

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
            raise ValueError("a naive datetime has no place in the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that keeps every digit it came with: NUMERIC, or text where the database would make it a float."""

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(String(64) if dialect.name == "sqlite" else Numeric())

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        return format(value, "f") if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's signature
        return None if value is None else Decimal(value)


def insert_or_conflict(session: Session, table: type[Base]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can say ON CONFLICT, in the words of the session's database."""
    return sqlite.insert(table) if session.get_bind().dialect.name == "sqlite" else postgresql.insert(table)


def insert_many(connection: Connection, table: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows of the same columns at once. Raises sqlalchemy.exc.IntegrityError.

    PostgreSQL gets them as one JSON text: its driver would spend more on hundreds of placeholders than the server does
    on the rows. SQLite's own repetition costs nothing.
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
    """Rows given to PostgreSQL as one JSON text, to be used as a table of these columns."""
    text = cast(bindparam(RECORDS, type_=String()), postgresql.JSON)
    typed = (column(each, kind) for each, kind in columns.items())
    return func.json_to_recordset(text).table_valued(*typed, name=name).render_derived(with_types=True)


def records(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as the JSON text for `recordset`: decimals as texts, which its columns read exactly."""
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
        self.engine = (
            _sqlite_engine(url, pool_size, timeout_seconds)
            if self.is_sqlite
            else _postgresql_engine(url, pool_size, timeout_seconds)
        )
        self._reader = self.engine.execution_options(sqlite_begin="DEFERRED")
        self._unhurried = self.engine.execution_options(durable=False)

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[Session]:
        """A session that commits at the end, or rolls back when the block raises.

        One that need not be durable does not wait for the disk: if the database's host fails within the next moments,
        it may never have been, whole as it was. For what would be done again then, and no harm.
        """
        engine = self.engine if durable else self._unhurried
        with Session(engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state and takes no write lock; what is changed in it is rolled back."""
        with Session(self._reader, expire_on_commit=False) as session:
            yield session

    def dispose(self) -> None:
        self.engine.dispose()

    def forget_connections(self) -> None:
        """Drop connections inherited over a fork without closing them under the parent."""
        self.engine.dispose(close=False)


class _BoundedConnection(psycopg.Connection[Any]):
    """Waits for an answer only so long. The server's own time limits end nothing when the server itself is frozen, or
    the network swallows: a request would hang for as long as that lasts.
    """

    longest_wait_seconds = 60.0
    heard_at = 0.0
    """When the server last answered, by the monotonic clock."""

    @contextmanager
    def waiting_at_most(self, seconds: float) -> Iterator[None]:
        usually, self.longest_wait_seconds = self.longest_wait_seconds, seconds
        try:
            yield
        finally:
            self.longest_wait_seconds = usually

    def wait(self, gen: PQGen[Answer], interval: float = WAKE_SECONDS, timeout: float | None = None) -> Answer:
        try:
            answer = super().wait(gen, interval, timeout or self.longest_wait_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # Nobody can tell what of the statement will still come about: the connection is of no more use.
                self.pgconn.finish()
            raise
        self.heard_at = time.monotonic()
        return answer


def _postgresql_engine(url: str, pool_size: int, timeout_seconds: float) -> Engine:
    milliseconds = int(timeout_seconds * 1000)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "connect_timeout": max(1, round(timeout_seconds)),
            "options": f"-c timezone=UTC -c statement_timeout={milliseconds} -c lock_timeout={milliseconds}",
        },
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("durable", True):
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Dialect, _record: Any, arguments: Any, parameters: Any) -> _BoundedConnection:
        connection = _BoundedConnection.connect(*arguments, **parameters)
        # Later than the server's limit, which leaves the connection whole.
        connection.longest_wait_seconds = timeout_seconds + SERVER_FIRST_SECONDS
        return connection

    ping = engine.dialect.do_ping

    def short_ping(connection: Any) -> bool:
        # Under load it would be one round trip in three; a connection that breaks all the same costs one 503.
        if time.monotonic() - connection.heard_at < TRUSTED_SECONDS:
            return True
        # Whoever waited all that time for a dead connection would still have to wait for a new one.
        with connection.waiting_at_most(timeout_seconds / 2):
            return ping(connection)

    engine.dialect.do_ping = short_ping  # type: ignore[method-assign, assignment]
    return engine


def _sqlite_engine(url: str, pool_size: int, timeout_seconds: float) -> Engine:
    database = make_url(url).database
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        connect_args={"timeout": timeout_seconds},
        hide_parameters=True,
    )

    @event.listens_for(engine, "do_connect")
    def make_folder(*_: Any) -> None:
        if database:
            Path(database).parent.mkdir(parents=True, exist_ok=True)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN comes too late and is deferred: a read that turns into a write fails at once.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={int(timeout_seconds * 1000)}",
            "journal_mode=WAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA synchronous={'FULL' if options.get('durable', True) else 'NORMAL'}")
        connection.exec_driver_sql(f"BEGIN {options.get('sqlite_begin', 'IMMEDIATE')}")

    return engine
