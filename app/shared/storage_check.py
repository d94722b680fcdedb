"""Checks whether the database can store data: its disk may be full while it answers every read.

A write is tried every 30 seconds, and every 3 seconds after any write failed for lack of storage.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.shared import logs
from app.shared.clock import Clock
from app.shared.db import Database, insert_or_conflict
from app.shared.engines import database_file
from app.shared.leases import Lease

RECHECK_SECONDS: Final = 30.0
"""How long a successful write is trusted while none fails."""
RETRY_SECONDS: Final = 3.0
LEAST_FREE_BYTES: Final = 1_048_576
"""Room for a batch and its indexes. With less, small writes succeed and large ones fail."""
LEASE: Final = "storage-check"
TEMPORARY_TABLE: Final = (
    "CREATE TEMPORARY TABLE storage_check ON COMMIT DROP AS SELECT number FROM generate_series(1, 20000) AS number"
)
"""Some 90 pages."""

_SQLITE_FAILURES: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR})
_POSTGRESQL_FAILURES: Final = (
    psycopg.errors.DiskFull,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IoError,
)

log = logs.get_logger(__name__)


class StorageFailedError(SQLAlchemyError):
    """The database answers and cannot store."""


def is_storage_failure(error: BaseException | None) -> bool:
    """Whether a driver's error says that the disk is full, read-only or broken."""
    if isinstance(error, sqlite3.Error):
        # The low byte is the primary code: https://www.sqlite.org/rescode.html
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _SQLITE_FAILURES
    return isinstance(error, _POSTGRESQL_FAILURES)


class StorageCheck:
    """The check of one process. Safe for many threads: one of them tries a write, the others use the last result."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._trying = threading.Lock()
        self._failure: str | None = None
        self._expires = 0.0
        database.error_listeners.append(self._note)

    def require(self) -> None:
        """Raises StorageFailedError when the last write failed for lack of storage."""
        if time.monotonic() >= self._expires and self._trying.acquire(blocking=False):
            try:
                self._try()
            finally:
                self._trying.release()
        if self._failure is not None:
            raise StorageFailedError(self._failure)

    def _note(self, error: BaseException) -> None:
        """Remembers that a write of any kind has failed for lack of storage."""
        if self._failure is None and is_storage_failure(error):
            self._fail(str(error))
            self._expires = time.monotonic() + RETRY_SECONDS

    def _try(self) -> None:
        failed = self._failure is not None
        try:
            (self._write_to_sqlite if self._database.is_sqlite else self._write_to_postgresql)()
            self._require_room(after_a_failure=failed)
        except (SQLAlchemyError, OSError) as error:
            # A lock that was not free in time says nothing about the disk, and the last result stands.
            if isinstance(error, OSError) or is_storage_failure(getattr(error, "orig", None)):
                self._fail(str(getattr(error, "orig", None) or error))
        else:
            if failed:
                log.warning("storage_recovered")
            self._failure = None
        self._expires = time.monotonic() + (RECHECK_SECONDS if self._failure is None else RETRY_SECONDS)

    def _fail(self, reason: str) -> None:
        if self._failure is None:
            log.error("storage_failed", error=reason)
        self._failure = reason

    def _write_to_sqlite(self) -> None:
        """One row, really on the disk."""
        with self._database.transaction() as session:
            values = {"name": LEASE, "until": self._clock()}
            statement = insert_or_conflict(session, Lease).values(values)
            session.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"until": values["until"]}))

    def _write_to_postgresql(self) -> None:
        """A temporary table, whose new file needs room: a row may fit into a file that the server has already."""
        with self._database.engine.connect() as connection, connection.begin() as transaction:
            connection.execute(text(TEMPORARY_TABLE))
            transaction.rollback()

    def _require_room(self, *, after_a_failure: bool) -> None:
        file = database_file(self._database.url) if self._database.is_sqlite else None
        if file is not None and after_a_failure and _free_bytes(file.parent) < LEAST_FREE_BYTES:
            raise OSError("too little space on the disk of the database")


def _free_bytes(folder: Path) -> int:
    state = os.statvfs(folder)
    return state.f_bavail * state.f_frsize
