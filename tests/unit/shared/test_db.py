"""Column types, transactions, timeouts and raw statements, on both databases."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, ProgrammingError, StatementError

from app.shared import engines
from app.shared.db import Database, ExactDecimal, UtcDateTime, uuid7

TABLE = Table(
    "kept",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("number", ExactDecimal),
    Column("moment", UtcDateTime),
)
SAME_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)


@pytest.fixture
def database(database_url: str) -> Iterator[Any]:
    database = Database(database_url)
    TABLE.drop(database.engine, checkfirst=True)
    TABLE.create(database.engine)
    yield database
    TABLE.drop(database.engine)
    database.dispose()


def keep(database: Database, **values) -> Any:
    with database.transaction() as session:
        session.execute(TABLE.delete())
        session.execute(insert(TABLE).values(**values))
    with database.reading() as session:
        return session.execute(select(TABLE)).one()


@SAME_DATABASE
@given(st.decimals(min_value=-(10**20), max_value=10**20, allow_nan=False, places=18))
def test_a_stored_decimal_is_read_with_every_digit(database: Database, number: Any) -> None:
    back = keep(database, number=number).number
    assert back == number
    assert isinstance(back, Decimal)


def test_a_stored_decimal_keeps_its_trailing_zeros(database: Database) -> None:
    assert str(keep(database, number=Decimal("1.1000")).number) == "1.1000"


@SAME_DATABASE
@given(
    st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
        timezones=st.timezones(),
    )
)
def test_a_stored_time_is_read_in_utc_to_the_microsecond(database: Database, moment: Any) -> None:
    back = keep(database, moment=moment).moment
    assert back == moment.astimezone(UTC)
    assert back.utcoffset() == timedelta(0)


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    with pytest.raises(StatementError, match="naive"):
        keep(database, moment=datetime(2026, 1, 1))  # noqa: DTZ001


def test_null_is_read_as_none(database: Database) -> None:
    assert keep(database, number=None, moment=None)[1:] == (None, None)


def test_times_of_all_zones_compare_in_the_database(database: Database) -> None:
    moment = datetime(2026, 11, 24, 12, tzinfo=timezone(timedelta(hours=5)))
    keep(database, moment=moment)
    with database.reading() as session:
        found = session.execute(select(TABLE).where(TABLE.c.moment == moment.astimezone(UTC))).all()
    assert len(found) == 1


def test_a_transaction_that_raises_is_rolled_back(database: Database) -> None:
    def break_in_the_middle() -> None:
        with database.transaction() as session:
            session.execute(insert(TABLE).values(id=1))
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        break_in_the_middle()
    with database.reading() as session:
        assert session.execute(select(TABLE)).all() == []


def test_a_session_for_reading_refuses_to_change_anything(database: Database) -> None:
    with database.reading() as session:
        with pytest.raises(RuntimeError, match="for reading"):
            session.execute(insert(TABLE).values(id=1))
        assert session.execute(select(TABLE)).all() == []


def test_readers_do_not_wait_for_a_writer(database_url: str, database: Database) -> None:
    with database.transaction() as writer:
        writer.execute(insert(TABLE).values(id=1))
        with database.reading() as reader:
            assert reader.execute(select(TABLE)).all() == []


@pytest.mark.parametrize("other", ["thread", "process"])
def test_a_second_sqlite_writer_gives_up_in_time(sqlite_url: str, other: str) -> None:
    first = Database(sqlite_url, timeout_seconds=0.1)
    # What another process has is another Database.
    second = first if other == "thread" else Database(sqlite_url, timeout_seconds=0.1)
    with first.transaction() as writer:
        writer.execute(text("SELECT 1"))
        with (
            pytest.raises(OperationalError, match="other threads" if other == "thread" else "locked"),
            second.transaction(),
        ):
            pass
    with second.transaction() as again:
        assert again.scalar(text("SELECT 1")) == 1
    second.dispose()
    first.dispose()


def test_a_writer_of_sqlite_waits_for_another_program_until_its_timeout(sqlite_url: str) -> None:
    database = Database(sqlite_url, timeout_seconds=0.1)
    with closing(sqlite3.connect(make_url(sqlite_url).database or "")) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"), database.transaction() as session:
            session.execute(text("SELECT 1"))
        stranger.rollback()
    with database.transaction() as again:
        assert again.scalar(text("SELECT 1")) == 1
    database.dispose()


def test_processes_that_write_to_sqlite_at_once_all_get_the_lock_in_time(sqlite_url: str) -> None:
    databases = [Database(sqlite_url) for _ in range(3)]
    max_waits = {0: 0.0, 1: 0.0, 2: 0.0}

    def write(number: int) -> None:
        for _ in range(20):
            began = time.monotonic()
            with databases[number].transaction() as session:
                session.execute(text("SELECT 1"))
                max_waits[number] = max(max_waits[number], time.monotonic() - began)
                time.sleep(0.01)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(write, max_waits))
    assert max(max_waits.values()) < 0.5
    for database in databases:
        database.dispose()


def test_threads_that_write_to_sqlite_at_once_all_get_the_lock_in_time(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    waits: list[float] = []

    def write(_: int) -> None:
        began = time.monotonic()
        with database.transaction() as session:
            session.execute(text("SELECT 1"))
            waits.append(time.monotonic() - began)
            time.sleep(0.01)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(64)))
    assert len(waits) == 64
    # SQLite's own waiting, up to 0.1 s at a time and in no order, leaves some behind for seconds.
    assert max(waits) < 1
    database.dispose()


def test_a_slow_postgresql_statement_gives_up_in_time(postgresql_url: str) -> None:
    database = Database(postgresql_url, timeout_seconds=0.2)
    with pytest.raises(OperationalError, match="timeout"), database.reading() as session:
        session.execute(text("SELECT pg_sleep(5)"))
    database.dispose()


def test_sqlite_keeps_foreign_keys_and_a_write_ahead_log(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with database.reading() as session:
        assert session.scalar(text("PRAGMA foreign_keys")) == 1
        assert session.scalar(text("PRAGMA journal_mode")) == "wal"
        assert session.scalar(text("PRAGMA synchronous")) == 2
    database.dispose()


def test_ids_sort_in_the_order_in_which_they_are_made() -> None:
    ids = [uuid7() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {made.version for made in ids} == {7}


def test_only_a_transaction_that_need_not_be_durable_commits_without_waiting_for_the_disk(database: Database) -> None:
    question = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"
    values = []
    for durable in (True, False, True):
        with database.transaction(durable=durable) as session:
            values.append(str(session.scalar(text(question))))
    assert values == (["2", "1", "2"] if database.is_sqlite else ["on", "off", "on"])


def test_a_raw_statement_that_fails_raises_an_error_of_sqlalchemy_and_its_connection_stays_usable(
    postgresql_url: str,
) -> None:
    database = Database(postgresql_url, pool_size=1)
    with pytest.raises(ProgrammingError):
        database.execute_raw("SELECT nothing FROM nowhere", ())
    with pytest.raises(OperationalError):
        database.execute_raw("SELECT pg_terminate_backend(pg_backend_pid())", ())
    assert database.execute_raw("SELECT $1::int", (1,)) == [(1,)]
    database.dispose()


def test_a_raw_statement_without_a_server_raises_an_error_of_sqlalchemy(tmp_path: Path) -> None:
    database = Database(f"postgresql+psycopg://nobody@/nothing?host={tmp_path}")
    with pytest.raises(OperationalError):
        database.execute_raw("SELECT 1", ())
    database.dispose()


def terminate(database: Database, pids: list[int]) -> None:
    for pid in pids:
        database.execute_raw("SELECT pg_terminate_backend($1, 5000)", (pid,))


@contextmanager
def idle_connections(url: str) -> Iterator[tuple[Database, list[int]]]:
    """A database with two idle connections, and their process ids in the server."""
    database = Database(url, pool_size=2)
    pid = text("SELECT pg_backend_pid()")
    with database.reading() as first, database.reading() as second:
        pids = [first.scalar(pid), second.scalar(pid)]
    yield database, pids
    database.dispose()


def test_dead_connections_that_were_idle_are_replaced_without_an_error(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "TRUSTED_SECONDS", 0)
    other = Database(postgresql_url)
    with idle_connections(postgresql_url) as (database, pids):
        terminate(other, pids)
        with database.reading() as first, database.transaction() as second:
            assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1")) == 1
        assert database.execute_raw("SELECT $1::int", (1,)) == [(1,)]
    other.dispose()


def test_one_ping_that_fails_replaces_all_connections(postgresql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Database(postgresql_url)
    with idle_connections(postgresql_url) as (database, pids):
        terminate(other, pids)
        monkeypatch.setattr(engines, "TRUSTED_SECONDS", 0)
        assert database.execute_raw("SELECT 1", ()) == [(1,)]
        # The second connection, which nobody has pinged, is not used either.
        monkeypatch.setattr(engines, "TRUSTED_SECONDS", 60)
        with database.reading() as first, database.reading() as second:
            assert first.scalar(text("SELECT 1")) == second.scalar(text("SELECT 1")) == 1
    other.dispose()


@pytest.mark.parametrize(("trusted_seconds", "pings"), [(60, 0), (0, 1)])
def test_only_a_connection_without_a_recent_reply_is_pinged(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch, trusted_seconds: int, pings: int
) -> None:
    monkeypatch.setattr(engines, "TRUSTED_SECONDS", trusted_seconds)
    database = Database(postgresql_url, pool_size=1)
    assert database.execute_raw("SELECT 1", ()) == [(1,)]
    with closing(database.engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
    with mock.patch.object(connection, "wait", wraps=connection.wait) as wait:
        assert database.execute_raw("SELECT 1", ()) == [(1,)]
    assert wait.call_count == 1 + pings
    database.dispose()


def test_a_transaction_left_open_is_rolled_back_before_the_connection_is_used_again(postgresql_url: str) -> None:
    database = Database(postgresql_url, pool_size=1)
    TABLE.create(database.engine, checkfirst=True)
    with closing(database.engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
        connection.execute("BEGIN")
        connection.execute("INSERT INTO kept (id) VALUES (1)")
    assert database.execute_raw("SELECT count(*) FROM kept", ()) == [(0,)]
    TABLE.drop(database.engine)
    database.dispose()
