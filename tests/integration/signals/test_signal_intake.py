"""Signals that arrive at the same time are stored together, and none affects the result of another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.events.models import Event
from app.resources import Resources
from app.shared.db import Database, uuid7
from app.signals import metrics
from app.signals.batch import IncomingSignal
from app.signals.dedup.redis_claims import claim_keys
from app.signals.domain import DuplicateSignal, MatchedOn, NewSignal
from app.signals.intake import Intake
from app.signals.models import Signal, SignalRow
from app.signals.storage import postgresql
from app.signals.storage.outcome import Outcome
from app.signals.storage.store import store
from config import Settings
from tests.integration.signals.builders import NOON, a_new_signal

Result = SignalRow | Exception


@pytest.fixture
def intake(resources: Resources) -> Intake:
    return Intake.build(resources)


def other(number: int, **changes: Any) -> NewSignal:
    return a_new_signal(instrument=f"I{number}", external_id=f"e{number}", **changes)


@contextmanager
def first_store_delayed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Delay the first call of `store` until the block ends. Yields the number of signals of each call."""
    sizes: list[int] = []
    go_on = threading.Event()

    def slow(database: Database, items: Sequence[IncomingSignal], *args: Any, **kwargs: Any) -> list[Outcome]:
        sizes.append(len(items))
        assert len(sizes) > 1 or go_on.wait(10)
        return store(database, items, *args, **kwargs)

    monkeypatch.setattr("app.signals.intake.store", slow)
    yield sizes
    go_on.set()


def together(intake: Intake, signals: Sequence[NewSignal], monkeypatch: pytest.MonkeyPatch) -> list[Result]:
    """The results of signals that arrive while another one is being stored, and so are stored by one call."""
    with ThreadPoolExecutor(len(signals) + 1) as pool:
        with first_store_delayed(monkeypatch) as sizes:
            pool.submit(intake.accept, other(99), now=NOON)
            wait_until(lambda: sizes == [1])
            futures: list[Future[SignalRow]] = []
            for number, new in enumerate(signals, 1):
                futures.append(pool.submit(intake.accept, new, now=NOON, request_id=f"r{number}"))
                wait_until(lambda many=number: len(intake._group_commit._waiting) == many)  # type: ignore[misc]
        return [outcome_of(future) for future in futures]


def outcome_of(future: Future[SignalRow]) -> Result:
    error = future.exception(20)
    assert error is None or isinstance(error, Exception)
    return future.result() if error is None else error


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


def stored(database: Database) -> dict[str, str | None]:
    """The stored instruments, each with the request id of its event."""
    with database.reading() as session:
        signals = session.scalars(select(Signal)).all()
        requests = {event.subject: event.request_id for event in session.scalars(select(Event))}
        return {signal.instrument: requests[str(signal.id)] for signal in signals}


def test_waiting_signals_are_stored_in_one_transaction_each_with_its_event(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = together(intake, [other(number) for number in range(5)], monkeypatch)
    assert [outcome.instrument for outcome in outcomes if isinstance(outcome, SignalRow)] == [
        f"I{number}" for number in range(5)
    ]
    assert stored(resources.database) == {"I99": ""} | {f"I{number}": f"r{number + 1}" for number in range(5)}


def test_of_equal_waiting_signals_the_first_is_stored_and_named(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake.accept(other(7), now=NOON)
    news = [other(1), other(2), other(1, price=2), other(7), a_new_signal(instrument="I2"), other(3)]
    outcomes = together(intake, news, monkeypatch)
    first, second, by_id, known, by_window, third = outcomes
    assert isinstance(first, SignalRow)
    assert isinstance(second, SignalRow)
    assert isinstance(third, SignalRow)
    assert isinstance(by_id, DuplicateSignal)
    assert (by_id.existing_id, by_id.matched_on, by_id.differs) == (first.id, MatchedOn.EXTERNAL_ID, ["price"])
    assert isinstance(known, DuplicateSignal)
    assert isinstance(by_window, DuplicateSignal)
    assert (by_window.existing_id, by_window.matched_on) == (second.id, MatchedOn.WINDOW)
    assert set(stored(resources.database)) == {"I99", "I7", "I1", "I2", "I3"}


def test_a_signal_that_the_database_refuses_does_not_affect_the_others(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = other(2, side=None) if resources.database.is_sqlite else other(2, version="x" * 10_000)
    outcomes = together(intake, [other(1), refused, other(3)], monkeypatch)
    assert [type(outcome) for outcome in outcomes if outcome is not outcomes[1]] == [SignalRow, SignalRow]
    assert isinstance(outcomes[1], DBAPIError)
    assert set(stored(resources.database)) == {"I99", "I1", "I3"}


def test_without_the_database_all_fail_and_no_claim_stays(
    settings: Settings, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake.build(replace(resources, database=Database("postgresql+psycopg://127.0.0.1:1/x")))
    outcomes = together(intake, [other(number) for number in range(3)], monkeypatch)
    assert all(isinstance(outcome, DBAPIError) for outcome in outcomes)
    assert resources.redis.keys("signal:*") == []
    assert isinstance(Intake.build(resources).accept(other(1), now=NOON), SignalRow)


def test_a_signal_that_waits_for_a_lock_does_not_delay_the_others(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = resources.database
    if database.is_sqlite:
        pytest.skip("its writers come one by one")
    contended = other(2)
    number = postgresql.lock_number(intake.rule.identify(contended).window_key)
    with ThreadPoolExecutor(1) as pool, database.transaction() as session:
        session.execute(text(f"SELECT pg_advisory_xact_lock({number})"))
        waiting = pool.submit(together, intake, [other(1), contended, other(3)], monkeypatch)
        wait_until(lambda: set(stored(database)) == {"I99", "I1", "I3"})
        assert not waiting.done()
        session.rollback()
        assert all(isinstance(outcome, SignalRow) for outcome in waiting.result(10))


def test_waiting_signals_are_claimed_by_one_command_and_settled_by_another(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources.redis.config_resetstat()
    together(intake, [other(number) for number in range(5)], monkeypatch)
    assert resources.redis.info("commandstats")["cmdstat_eval"]["calls"] == 2


def test_a_signal_refused_a_moment_ago_is_refused_without_redis_and_the_database(
    intake: Intake, resources: Resources
) -> None:
    accepted = intake.accept(other(1), now=NOON)
    with pytest.raises(DuplicateSignal):
        intake.accept(other(1), now=NOON)
    resources.redis.config_resetstat()
    with resources.database.transaction() as session:
        session.execute(text("ALTER TABLE signals RENAME TO elsewhere"))
    try:
        with pytest.raises(DuplicateSignal) as refused:
            intake.accept(other(1, price=2), now=NOON)
    finally:
        with resources.database.transaction() as session:
            session.execute(text("ALTER TABLE elsewhere RENAME TO signals"))
    assert (refused.value.existing_id, refused.value.differs) == (accepted.id, ["price"])
    assert "cmdstat_set" not in resources.redis.info("commandstats")


def test_a_stale_marker_is_forgotten_even_where_the_signal_cannot_be_stored(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (claim_keys(intake.rule.identify(other(number)))[0] for number in (1, 2))
    stored_signal = intake.accept(other(2), now=NOON)
    resources.redis.set(first, f"d:{uuid7()}")
    refused = other(1, side=None) if resources.database.is_sqlite else other(1, version="x" * 10_000)
    with pytest.raises(DBAPIError):
        intake.accept(refused, now=NOON)
    assert resources.redis.get(first) is None
    results = intake.accept_all([(0, other(1)), (1, other(2))], now=NOON)
    assert [type(result) for result in results] == [SignalRow, DuplicateSignal]
    assert resources.redis.get(second) == f"d:{stored_signal.id}".encode()


def counts() -> dict[tuple[str, str], float]:
    return {
        (sample.labels["path"], sample.labels["outcome"]): sample.value
        for metric in metrics.DEDUP.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    }


def counted(work: Callable[[], Any]) -> dict[tuple[str, str], float]:
    """How much each series of the metric of deduplication grows during the work."""
    before = counts()
    with suppress(DuplicateSignal):
        work()
    return {labels: value - before.get(labels, 0) for labels, value in counts().items() if value != before.get(labels)}


def test_each_signal_is_counted_once_for_redis_and_once_for_the_database(intake: Intake, resources: Resources) -> None:
    redis = resources.redis
    keys = claim_keys(intake.rule.identify(other(1)))
    assert counted(lambda: intake.accept(other(1), now=NOON)) == {("redis", "free"): 1, ("database", "new"): 1}
    assert counted(lambda: intake.accept(other(1), now=NOON)) == {("redis", "duplicate"): 1}
    assert counted(lambda: intake.accept(other(1), now=NOON)) == {("memory", "duplicate"): 1}
    again = [(0, other(1)), (1, other(2)), (2, other(2))]
    redis.delete(*keys)
    assert counted(lambda: intake.accept_all(again, now=NOON)) == {
        ("redis", "free"): 3,
        ("database", "new"): 1,
        ("database", "duplicate"): 2,
    }
    redis.mset(dict.fromkeys(keys, "p:somebody"))
    atomic = [(0, other(1)), (1, other(3))]
    assert counted(lambda: intake.accept_all(atomic, now=NOON, atomic=True)) == {
        ("redis", "pending"): 1,
        ("redis", "free"): 1,
        ("database", "duplicate"): 1,
    }
    redis.set(claim_keys(intake.rule.identify(other(4)))[0], f"d:{uuid7()}")
    assert counted(lambda: intake.accept(other(4), now=NOON)) == {("redis", "stale"): 1, ("database", "new"): 1}


def test_a_duplicate_that_storing_finds_needs_no_second_statement(
    intake: Intake, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = intake.accept(other(1), now=NOON)
    resources.redis.flushall()
    monkeypatch.setattr("app.signals.intake.find_existing", None)
    duplicate, new = together(intake, [other(1, price=2), other(2)], monkeypatch)
    assert isinstance(new, SignalRow)
    assert isinstance(duplicate, DuplicateSignal)
    assert (duplicate.existing_id, duplicate.differs) == (known.id, ["price"])
    for key in claim_keys(intake.rule.identify(other(1))):
        assert resources.redis.get(key) == f"d:{known.id}".encode()
