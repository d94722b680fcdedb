"""Processes older than migration 0008 store signals beside newer ones, with the same rules and the same locks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import RawCursor

from app.events import service as events
from app.shared.db import Database, records, uuid7
from app.signals import queries
from app.signals.batch import IncomingSignal
from app.signals.domain import DedupRule, MatchedOn, NewSignal
from app.signals.models import SignalRow
from app.signals.storage.outcome import Existing, NotDone
from app.signals.storage.store import store
from tests.integration.signals.builders import NOON, a_new_signal

RULE = DedupRule(300)
Connection = psycopg.Connection[tuple[Any, ...]]
Stores = Callable[[Connection, list[IncomingSignal]], bool]


@pytest.fixture
def database(postgresql_url: str) -> Iterator[Database]:
    built = Database(postgresql_url, timeout_seconds=20)
    yield built
    built.dispose()


@pytest.fixture
def old_process(postgresql_url: str) -> Iterator[Connection]:
    """A connection whose transactions the test ends."""
    with psycopg.connect(postgresql_url.replace("postgresql+psycopg://", "postgresql://")) as connection:
        yield connection


def incoming(new: NewSignal) -> IncomingSignal:
    return IncomingSignal(0, new, RULE.identify(new), uuid7(), NOON, "r")


def old_locks(items: list[IncomingSignal]) -> list[int]:
    """The numbers of the locks as earlier releases compute them."""
    keys = {key for item in items for key in (item.identity.window_key, item.identity.external_key) if key}
    return sorted(int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True) for key in keys)


def store_signal(connection: Connection, items: list[IncomingSignal], *, wait: bool = True) -> bool:
    (item,) = items
    row = queries.to_row(item)
    parameters = [old_locks(items), wait, RULE.window, uuid7(), events.SIGNAL_RECEIVED, "r", *row]
    places = ", ".join(f"${number}" for number in range(2, len(parameters) + 1))
    result = RawCursor(connection).execute(f"SELECT store_signal($1::bigint[], {places})", parameters).fetchone()
    return result == (True,)


def store_batch(connection: Connection, items: list[IncomingSignal], *, function: str = "store_batch") -> bool:
    rows = [queries.to_row(item)._asdict() | {"event_id": uuid7()} for item in items]
    result = RawCursor(connection).execute(
        f"SELECT {function}($1::bigint[], $2, $3, $4, $5::json)",
        [old_locks(items), RULE.window, events.SIGNAL_RECEIVED, "r", records(rows)],
    )
    return result.fetchone() == (True,)


def store_signals(connection: Connection, items: list[IncomingSignal]) -> bool:
    return store_batch(connection, items, function="store_signals")


OLD = pytest.mark.parametrize("old_store", [store_signal, store_batch, store_signals])


@OLD
def test_old_and_new_processes_find_each_others_signals(
    database: Database, old_process: Connection, old_store: Stores
) -> None:
    by_old, by_new = incoming(a_new_signal(external_id="a")), incoming(a_new_signal(instrument="MSFT"))
    assert old_store(old_process, [by_old])
    old_process.commit()
    known, new = store(database, [incoming(by_old.new), by_new], RULE, wait_for_lock=True)
    assert known == Existing(queries.to_row(by_old), MatchedOn.EXTERNAL_ID)
    assert isinstance(new, SignalRow)
    assert not old_store(old_process, [incoming(a_new_signal(instrument="MSFT", time=NOON + timedelta(seconds=299)))])


@OLD
@pytest.mark.parametrize("change", [{"instrument": "MSFT"}, {"external_id": "b"}], ids=["external_id", "window"])
def test_a_new_process_waits_for_the_locks_of_an_old_one(
    database: Database, old_process: Connection, old_store: Stores, change: dict[str, str]
) -> None:
    first = incoming(a_new_signal(external_id="a"))
    second = incoming(a_new_signal(**{"external_id": "a", **change}))
    assert old_store(old_process, [first])
    assert store(database, [second], RULE, wait_for_lock=False) == [NotDone.BUSY]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store, database, [second], RULE, wait_for_lock=True)
        old_process.commit()
        (outcome,) = waiting.result(10)
    assert isinstance(outcome, Existing)
    assert outcome.signal == queries.to_row(first)


def test_an_old_process_waits_for_the_locks_of_a_new_one(database: Database, old_process: Connection) -> None:
    first, second = incoming(a_new_signal()), incoming(a_new_signal(price=1))
    with database.transaction() as session:
        connection = session.connection().connection.driver_connection
        assert connection is not None
        new = RawCursor(connection).execute(
            "SELECT outcome FROM store_signals_each($1::json, $2::bigint[], $3::bigint[], $4, 'x', true, false)",
            [as_rounds(first), old_locks([first]), [None], RULE.window],
        )
        assert new.fetchall() == []
        assert not store_signal(old_process, [second], wait=False)
        old_process.rollback()
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(store_signal, old_process, [second])
            session.commit()
            assert waiting.result(10) is False


def as_rounds(item: IncomingSignal) -> str:
    row = queries.to_row(item)._asdict() | {"number": 0, "event_id": uuid7(), "request_id": "r"}
    return f"[{records([row])}]"
