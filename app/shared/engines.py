"""Engines whose connections begin transactions as we mean them and wait no longer than a request may.

Options of an execution: `reading` takes no write lock, `durable=False` does not wait for the disk.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Dialect, Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url

SERVER_FIRST_SECONDS: Final = 0.5
TRUSTED_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 0.1
PING_SHARE: Final = 4
"""A connection found dead and a new one that does not come must together stay below what senders wait: 3 s."""
LOCK_POLL_SECONDS: Final = 0.0005
BEGIN_DEADLINE: Final = "begin_deadline"
"""Execution option: until when to wait for SQLite's write lock, by the monotonic clock."""
PRIMARY_CODE: Final = 0xFF
"""The bits of an SQLite error code without its extension."""
Answer = TypeVar("Answer")


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


def postgresql_engine(url: str, pool_size: int, timeout_seconds: float) -> Engine:
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
        options = connection.get_execution_options()
        if options.get("reading", False):
            return
        connection.exec_driver_sql("BEGIN")
        if not options.get("durable", True):
            connection.exec_driver_sql("SET LOCAL synchronous_commit TO OFF")

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Dialect, _record: Any, arguments: Any, parameters: Any) -> _BoundedConnection:
        # The driver's own BEGIN would come before every statement, a lone read as well.
        connection = _BoundedConnection.connect(*arguments, **parameters, autocommit=True)
        # Later than the server's limit, which leaves the connection whole.
        connection.longest_wait_seconds = timeout_seconds + SERVER_FIRST_SECONDS
        return connection

    _spare_trips(engine, timeout_seconds / PING_SHARE)
    return engine


def _spare_trips(engine: Engine, ping_seconds: float) -> None:
    """Ask the server no more than is needed to know that a connection is whole, and nothing begun in it."""
    ping, rollback = engine.dialect.do_ping, engine.dialect.do_rollback

    def short_ping(connection: Any) -> bool:
        # Under load it would be one round trip in three; a connection that breaks all the same costs one 503.
        if time.monotonic() - connection.heard_at < TRUSTED_SECONDS:
            return True
        # Whoever waited all that time for a dead connection would still have to wait for a new one.
        with connection.waiting_at_most(ping_seconds):
            return ping(connection)

    def rollback_begun(connection: Any) -> None:
        # The driver knows without a trip that there is nothing to take back, but takes its time to find that out.
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            rollback(connection)

    engine.dialect.do_ping = short_ping  # type: ignore[method-assign, assignment]
    engine.dialect.do_rollback = rollback_begun  # type: ignore[method-assign, assignment]


def database_file(url: URL) -> Path | None:
    """The file of an SQLite database; None for one in memory."""
    return Path(url.database) if url.database and url.database != ":memory:" else None


def sqlite_engine(url: str, pool_size: int, timeout_seconds: float) -> Engine:
    file = database_file(make_url(url))
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
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)

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
        if options.get("reading", False):
            connection.exec_driver_sql("BEGIN DEFERRED")
        else:
            _begin_immediate(connection, options.get(BEGIN_DEADLINE, time.monotonic() + timeout_seconds))

    return engine


def _begin_immediate(connection: Connection, deadline: float) -> None:
    """Take SQLite's write lock. Raises OperationalError when other processes have it until the deadline.

    SQLite's own wait sleeps up to 100 ms between two tries. A process that writes all the time has the lock again
    within that time, and a worker beside it would wait for seconds.
    """
    driver = connection.connection.driver_connection
    assert driver is not None  # noqa: S101 - for the type checker: a connection in use has one
    busy_timeout = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute("PRAGMA busy_timeout=0")
    try:
        while time.monotonic() < deadline:
            try:
                driver.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & PRIMARY_CODE != sqlite3.SQLITE_BUSY:
                    break
                time.sleep(LOCK_POLL_SECONDS)
            else:
                return
        # Once more by SQLAlchemy, which reports the error.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(f"PRAGMA busy_timeout={busy_timeout}")
