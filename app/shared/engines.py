"""SQLAlchemy engines for PostgreSQL and SQLite, with explicit BEGIN and with time limits that fit into a request.

Execution options: `reading` takes no write lock, `durable=False` does not wait for the disk.
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
from sqlalchemy.exc import InvalidatePoolError

SERVER_FIRST_SECONDS: Final = 0.5
TRUSTED_SECONDS: Final = 1.0
WAKE_SECONDS: Final = 0.1
PING_SHARE: Final = 4
"""Finding a dead connection and failing to open a new one must together take less than 3 s, which senders wait."""
LOCK_POLL_SECONDS: Final = 0.0005
BEGIN_DEADLINE: Final = "begin_deadline"
"""Execution option: until when to wait for SQLite's write lock, by the monotonic clock."""
PRIMARY_CODE: Final = 0xFF
"""The bits of an SQLite error code without its extension."""
Reply = TypeVar("Reply")


class _BoundedConnection(psycopg.Connection[Any]):
    """Waits for a reply for a limited time. The server's own limits do not help when it is frozen or when the network
    drops packets.
    """

    max_wait_seconds = 60.0
    last_reply_at = 0.0
    """When the last reply came, by the monotonic clock."""

    @contextmanager
    def limited_wait(self, seconds: float) -> Iterator[None]:
        previous, self.max_wait_seconds = self.max_wait_seconds, seconds
        try:
            yield
        finally:
            self.max_wait_seconds = previous

    def wait(self, gen: PQGen[Reply], interval: float = WAKE_SECONDS, timeout: float | None = None) -> Reply:
        try:
            reply = super().wait(gen, interval, timeout or self.max_wait_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # The statement may still be executed: the connection must not be used again.
                self.pgconn.finish()
            raise
        self.last_reply_at = time.monotonic()
        return reply


def postgresql_engine(url: str, pool_size: int, timeout_seconds: float) -> Engine:
    milliseconds = int(timeout_seconds * 1000)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=timeout_seconds,
        pool_reset_on_return=None,
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
        # Without autocommit the driver sends a BEGIN before every statement, single reads included.
        connection = _BoundedConnection.connect(*arguments, **parameters, autocommit=True)
        # Longer than the server's limit, after which the connection is still usable.
        connection.max_wait_seconds = timeout_seconds + SERVER_FIRST_SECONDS
        connection.last_reply_at = time.monotonic()
        return connection

    _avoid_round_trips(engine, timeout_seconds / PING_SHARE)
    return engine


def _avoid_round_trips(engine: Engine, ping_seconds: float) -> None:
    """Ping connections that have been idle for a while, and roll back only open transactions."""

    @event.listens_for(engine, "checkout")
    def check(connection: _BoundedConnection, _record: Any, _proxy: Any) -> None:
        # Under load one round trip in three would be a ping. A connection that breaks meanwhile costs one 503.
        if time.monotonic() - connection.last_reply_at < TRUSTED_SECONDS:
            return
        try:
            # After a dead connection there must be time left to open a new one.
            with connection.limited_wait(ping_seconds):
                connection.execute("SELECT 1")
        except psycopg.Error as error:
            if connection.closed:
                # The pool opens new connections in place of all that it has.
                raise InvalidatePoolError from error
            raise

    @event.listens_for(engine, "reset")
    def roll_back(connection: _BoundedConnection, _record: Any, _state: Any) -> None:
        # The driver also skips the round trip, but takes longer to find out.
        if connection.pgconn.transaction_status != TransactionStatus.IDLE:
            connection.rollback()


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
