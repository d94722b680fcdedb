"""Bars in and out of both databases: each once, counted right, read by range."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.market import service
from app.market.domain import Bars
from app.market.service import StoredSeries, Upserted
from app.shared.db import Database

HOUR = 3_600_000


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


def some_bars(first: int, count: int, close: float = 1.5, *, volume: bool = True) -> Bars:
    """Hourly bars; `first` counts hours since the epoch."""
    times = tuple((first + hour) * HOUR for hour in range(count))
    opened, high, low, closed = ((price,) * count for price in (1.25, 2.0, 1.0, close))
    return Bars(times, opened, high, low, closed, (7.0,) * count if volume else None)


def upsert(database: Database, bars: Bars, instrument: str = "EURUSD", timeframe: str = "1h") -> Upserted:
    with database.transaction() as session:
        return service.upsert(session, instrument, timeframe, bars)


def read(
    database: Database,
    instrument: str = "EURUSD",
    timeframe: str = "1h",
    *,
    until_ms: int | None = None,
    limit: int = 100_000,
) -> Bars:
    with database.reading() as session:
        return service.read(session, instrument, timeframe, until_ms=until_ms, limit=limit)


def test_bars_are_read_as_they_were_stored(database: Database) -> None:
    bars = Bars(
        (-HOUR, 0, 10**12), (0.1, 1e-300, 1e300), (0.3, 2.0, 1e300), (-0.1, 0.0, 1.0), (0.2, 1.0, 2.0), (0.0, 1.0, 1e18)
    )
    assert upsert(database, bars) == Upserted(inserted=3, updated=0)
    assert read(database) == bars


def test_the_first_bars_are_read_oldest_first(database: Database) -> None:
    upsert(database, some_bars(5, 10))
    upsert(database, some_bars(0, 3), instrument="GBPUSD")
    with database.reading() as session:
        assert service.read_first(session, "EURUSD", "1h", limit=4) == some_bars(5, 4)
        assert service.read_first(session, "EURUSD", "1d", limit=4).time == ()


def test_bars_without_volume_are_read_without(database: Database) -> None:
    bars = some_bars(0, 3, volume=False)
    upsert(database, bars)
    assert read(database) == bars


def test_a_volume_missing_in_one_of_the_bars_read_is_missing_in_all(database: Database) -> None:
    upsert(database, some_bars(0, 2, volume=False))
    upsert(database, some_bars(2, 2))
    assert read(database).volume is None
    assert read(database, limit=2).volume == (7.0, 7.0)


def test_the_same_bars_again_are_updates_and_change_nothing(database: Database) -> None:
    bars = some_bars(0, 10)
    upsert(database, bars)
    assert upsert(database, bars) == Upserted(inserted=0, updated=10)
    assert read(database) == bars


def test_bars_that_overlap_are_counted_apart_and_the_last_sent_holds(database: Database) -> None:
    upsert(database, some_bars(0, 10))
    # Hours 0, 3, 6 ... 27: four of them are stored already, and others between them are stored but not sent.
    sparse = replace(some_bars(0, 10, close=1.75, volume=False), time=tuple(hour * 3 * HOUR for hour in range(10)))
    assert upsert(database, sparse) == Upserted(inserted=6, updated=4)
    stored = read(database)
    assert len(stored) == 16
    assert stored.close[:7] == (1.75, 1.5, 1.5, 1.75, 1.5, 1.5, 1.75)


def test_no_bars_are_no_work(database: Database) -> None:
    assert upsert(database, Bars((), (), (), (), ())) == Upserted(0, 0)


def test_series_do_not_mix(database: Database) -> None:
    upsert(database, some_bars(0, 2, close=1.1))
    upsert(database, some_bars(0, 3, close=1.2), timeframe="4h")
    upsert(database, some_bars(0, 4, close=1.3), instrument="GBPUSD")
    assert [len(read(database)), len(read(database, timeframe="4h")), len(read(database, "GBPUSD"))] == [2, 3, 4]


def test_the_last_bars_up_to_and_with_a_time_come_oldest_first(database: Database) -> None:
    upsert(database, some_bars(0, 10))
    assert read(database, limit=3).time == (7 * HOUR, 8 * HOUR, 9 * HOUR)
    assert read(database, until_ms=5 * HOUR, limit=2).time == (4 * HOUR, 5 * HOUR)
    assert read(database, until_ms=5 * HOUR - 1, limit=2).time == (3 * HOUR, 4 * HOUR)
    assert len(read(database, until_ms=-1)) == 0
    assert len(read(database, "UNKNOWN")) == 0


def test_the_finest_timeframe_counts_only_bars_of_its_instrument(database: Database) -> None:
    upsert(database, some_bars(5, 2))
    with database.reading() as session:
        assert service.finest_timeframe(session, "EURUSD") == "1h"
        assert service.finest_timeframe(session, "GBPUSD") is None


def test_the_finest_timeframe_is_the_shortest_that_has_bars(database: Database) -> None:
    upsert(database, some_bars(0, 2), timeframe="1w")
    upsert(database, some_bars(0, 2), timeframe="1d")
    upsert(database, some_bars(9, 2), timeframe="15m")
    with database.reading() as session:
        assert service.finest_timeframe(session, "EURUSD") == "15m"
        assert service.finest_timeframe(session, "GBPUSD") is None


def test_the_summary_lists_the_stored_series(database: Database) -> None:
    upsert(database, some_bars(0, 3), timeframe="1d")
    upsert(database, some_bars(4, 2), timeframe="4h")
    upsert(database, some_bars(0, 1), instrument="AAPL")
    with database.reading() as session:
        assert service.summarize(session) == [
            StoredSeries("AAPL", "1h", 1, 0, 0),
            StoredSeries("EURUSD", "4h", 2, 4 * HOUR, 5 * HOUR),
            StoredSeries("EURUSD", "1d", 3, 0, 2 * HOUR),
        ]


def test_bars_of_a_transaction_that_fails_are_not_stored(database: Database) -> None:
    def upsert_and_fail() -> None:
        with database.transaction() as session:
            service.upsert(session, "EURUSD", "1h", some_bars(0, 3))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        upsert_and_fail()
    assert len(read(database)) == 0


def test_writers_of_one_series_at_once_count_each_bar_once(database: Database) -> None:
    done: list[Upserted] = []

    def write(first: int) -> None:
        done.append(upsert(database, some_bars(first, 300)))

    writers = [threading.Thread(target=write, args=(first * 100,)) for first in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read(database)) == 800
    assert sum(stored.inserted for stored in done) == 800
    assert sum(stored.updated for stored in done) == 6 * 300 - 800


def test_as_many_bars_as_one_request_may_bring_are_stored_in_a_moment(database: Database) -> None:
    bars = some_bars(0, 20_000)
    started = time.monotonic()
    assert upsert(database, bars) == Upserted(inserted=20_000, updated=0)
    assert upsert(database, bars) == Upserted(inserted=0, updated=20_000)
    assert time.monotonic() - started < 10.0
    assert read(database) == bars
