"""Storing signals on both databases: exact values, duplicates, locks and atomic lists."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from app.events.models import Event
from app.shared.db import Database, uuid7
from app.signals import queries
from app.signals.batch import IncomingSignal
from app.signals.domain import DedupRule, DuplicateSignal, MatchedOn, NewSignal, UnknownSignal
from app.signals.models import Signal, SignalRow
from app.signals.queries import SignalFilter
from app.signals.storage import postgresql
from app.signals.storage.outcome import Existing, NotDone, Outcome
from app.signals.storage.store import find_existing, store
from tests.integration.signals.builders import NOON, a_new_signal

RULE = DedupRule(300)
DEFAULT = RULE.fields


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    built = Database(database_url, timeout_seconds=20)
    yield built
    built.dispose()


def incoming(new: NewSignal, rule: DedupRule = RULE) -> IncomingSignal:
    return IncomingSignal(0, new, rule.identify(new), uuid7(), NOON + timedelta(seconds=1), "r")


def ingest(
    database: Database, new: NewSignal, *, window_seconds: int = 300, dedup_fields: tuple[str, ...] = DEFAULT
) -> SignalRow:
    rule = DedupRule(window_seconds, dedup_fields)
    item = incoming(new, rule)
    (outcome,) = store(database, [item], rule, wait_for_lock=True)
    if isinstance(outcome, SignalRow):
        return outcome
    assert isinstance(outcome, Existing)
    assert find_existing(database, [item], rule) == [outcome]
    raise DuplicateSignal(new, outcome.signal.id, queries.as_new_signal(outcome.signal), outcome.matched_on)


def refusal(database: Database, new: NewSignal) -> DuplicateSignal:
    with pytest.raises(DuplicateSignal) as raised:
        ingest(database, new)
    return raised.value


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Signal)) or 0


def test_a_stored_signal_equals_the_sent_one_to_the_last_digit(database: Database) -> None:
    payload = {"take_profit": [Decimal("190.10"), 200], "deep": {"n": Decimal("0.1000000000000000000000001")}}
    new = a_new_signal(
        price=Decimal("0.000000000000000010"),
        time=NOON + timedelta(microseconds=1),
        external_id="~ x",
        payload=payload,
        signed=True,
    )
    row = ingest(database, new)
    with database.reading() as session:
        stored = queries.get(session, row.id)
        assert queries.as_new_signal(stored) == new
        assert f"{stored.price:f}" == f"{row.price:f}" == "0.000000000000000010"
        assert stored.payload == row.payload
        assert stored.received_at == row.received_at == NOON + timedelta(seconds=1)
        assert stored.status == "new"


def test_a_signal_that_is_not_there_is_not_found(database: Database) -> None:
    with database.reading() as session, pytest.raises(UnknownSignal):
        queries.get(session, uuid7())


def test_a_signal_is_not_stored_without_its_event(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("ALTER TABLE events RENAME TO elsewhere"))
    try:
        with pytest.raises(DBAPIError):
            ingest(database, a_new_signal())
    finally:
        with database.transaction() as session:
            session.execute(text("ALTER TABLE elsewhere RENAME TO events"))
    assert count(database) == 0
    stored = ingest(database, a_new_signal())
    with database.reading() as session:
        (event,) = session.scalars(select(Event)).all()
    assert (event.kind, event.subject, event.data) == ("signal.received", str(stored.id), {})
    assert (event.request_id, event.happened_at, event.attempts) == ("r", stored.received_at, 0)


def test_both_rules_refuse_and_the_external_id_is_named_first(database: Database) -> None:
    by_window = ingest(database, a_new_signal())
    by_id = ingest(database, a_new_signal(external_id="e", instrument="MSFT"))
    refused = refusal(database, a_new_signal(external_id="e"))
    assert (refused.matched_on, refused.existing_id) == (MatchedOn.EXTERNAL_ID, by_id.id)
    refused = refusal(database, a_new_signal(external_id="f"))
    assert (refused.matched_on, refused.existing_id) == (MatchedOn.WINDOW, by_window.id)
    assert count(database) == 2


@pytest.mark.parametrize("seconds", [-299.999999, -1, 0, 1, 299.999, 299.999999])
def test_less_than_the_window_apart_is_a_duplicate(database: Database, seconds: float) -> None:
    ingest(database, a_new_signal())
    refusal(database, a_new_signal(time=NOON + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-300, 300, 300.000001])
def test_a_window_apart_is_no_duplicate(database: Database, seconds: float) -> None:
    ingest(database, a_new_signal())
    ingest(database, a_new_signal(time=NOON + timedelta(seconds=seconds)))
    assert count(database) == 2


def test_of_signals_of_one_key_stored_at_the_same_time_one_is_stored(database: Database) -> None:
    barrier = threading.Barrier(8)
    outcomes: list[str] = []

    def work(number: int) -> None:
        # Half of them share an external id, all share the window: both locks are contended, in either order.
        new = a_new_signal(external_id=f"e{number % 2}", time=NOON + timedelta(seconds=number))
        barrier.wait()
        try:
            ingest(database, new)
        except DuplicateSignal:
            outcomes.append("duplicate")
        else:
            outcomes.append("stored")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["duplicate"] * 7 + ["stored"]
    assert count(database) == 1


def is_same(new: NewSignal, stored: NewSignal, rule: DedupRule) -> bool:
    """The rules of deduplication in Python. The database must decide in the same way."""
    if new.external_id is not None and new.external_id == stored.external_id:
        return True
    alike = all(getattr(new, name) == getattr(stored, name) for name in rule.fields)
    return alike and abs(new.time - stored.time) < timedelta(seconds=rule.window_seconds)


signals = st.builds(
    lambda second, instrument, side, external_id: a_new_signal(
        time=NOON + timedelta(seconds=second), instrument=instrument, side=side, external_id=external_id
    ),
    st.integers(0, 40),
    st.sampled_from(["AAPL", "MSFT"]),
    st.sampled_from(["buy", "sell"]),
    st.sampled_from([None, None, "e1", "e2"]),
)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    st.lists(signals, max_size=12),
    st.sampled_from([0, 1, 7, 20]),
    st.sampled_from([DEFAULT, ("instrument", "version")]),
)
def test_the_database_decides_as_the_rules_say(
    database: Database, posted: list[NewSignal], window_seconds: int, dedup_fields: tuple[str, ...]
) -> None:
    with database.transaction() as session:
        session.execute(text("DELETE FROM signals"))
    rule = DedupRule(window_seconds, dedup_fields)
    stored: list[NewSignal] = []
    for new in posted:
        same = [known for known in stored if is_same(new, known, rule)]
        if same:
            with pytest.raises(DuplicateSignal) as refused:
                ingest(database, new, window_seconds=window_seconds, dedup_fields=dedup_fields)
            assert refused.value.existing in same
        else:
            ingest(database, new, window_seconds=window_seconds, dedup_fields=dedup_fields)
            stored.append(new)


@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    st.lists(signals, max_size=6),
    st.lists(signals, min_size=1, max_size=12),
    st.sampled_from([0, 1, 7, 20]),
    st.booleans(),
    st.booleans(),
)
def test_a_list_is_decided_as_its_signals_one_after_the_other(
    database: Database, before: list[NewSignal], posted: list[NewSignal], window_seconds: int, wait: bool, atomic: bool
) -> None:
    rule = DedupRule(window_seconds, DEFAULT)
    forget_all(database)
    one_by_one = [
        comparable(store(database, [incoming(new, rule)], rule, wait_for_lock=True)[0]) for new in [*before, *posted]
    ][len(before) :]
    all_new = {matched_on for _, matched_on in one_by_one} == {None}
    forget_all(database)
    for new in before:
        store(database, [incoming(new, rule)], rule, wait_for_lock=True)
    count_before = count(database)
    items = [incoming(new, rule) for new in posted]
    outcomes = store(database, items, rule, wait_for_lock=wait, atomic=atomic)
    if atomic and not all_new:
        assert not any(isinstance(outcome, SignalRow) for outcome in outcomes)
        assert count(database) == count_before
        outcomes = [
            queries.to_row(item) if outcome is NotDone.ROLLED_BACK else outcome
            for item, outcome in zip(items, outcomes, strict=True)
        ]
    else:
        assert count(database) == count_before + sum(isinstance(outcome, SignalRow) for outcome in outcomes)
    assert [comparable(outcome) for outcome in outcomes] == one_by_one
    with database.reading() as session:
        assert sorted(session.scalars(select(Event.subject))) == sorted(map(str, session.scalars(select(Signal.id))))


def forget_all(database: Database) -> None:
    with database.transaction() as session:
        session.execute(text("DELETE FROM events"))
        session.execute(text("DELETE FROM signals"))


def comparable(outcome: Outcome) -> tuple[NewSignal, MatchedOn | None]:
    """The stored signal without its id, and the rule that it matched."""
    if isinstance(outcome, Existing):
        return queries.as_new_signal(outcome.signal), outcome.matched_on
    assert isinstance(outcome, SignalRow)
    return queries.as_new_signal(outcome), None


def test_equal_signals_of_a_list_name_the_first_of_them(database: Database) -> None:
    news = [
        a_new_signal(external_id="a"),
        a_new_signal(external_id="a", instrument="MSFT"),
        a_new_signal(external_id="b", instrument="GOOG"),
        a_new_signal(instrument="GOOG", time=NOON + timedelta(seconds=299)),
        a_new_signal(instrument="GOOG", time=NOON + timedelta(seconds=300)),
    ]
    items = [incoming(new) for new in news]
    first, by_id, second, by_window, third = store(database, items, RULE, wait_for_lock=True)
    assert [row.id for row in (first, second, third) if isinstance(row, SignalRow)] == [
        items[0].id,
        items[2].id,
        items[4].id,
    ]
    assert by_id == Existing(first, MatchedOn.EXTERNAL_ID)  # type: ignore[arg-type]
    assert by_window == Existing(second, MatchedOn.WINDOW)  # type: ignore[arg-type]


def test_a_signal_that_repeats_only_a_refused_signal_of_the_list_is_stored(database: Database) -> None:
    ingest(database, a_new_signal())
    news = [a_new_signal(time=NOON + timedelta(seconds=seconds)) for seconds in (200, 400)]
    refused, stored = store(database, [incoming(new) for new in news], RULE, wait_for_lock=True)
    assert isinstance(refused, Existing)
    assert isinstance(stored, SignalRow)


@pytest.mark.parametrize("wait", [True, False])
def test_an_atomic_list_with_one_duplicate_stores_nothing_and_names_the_outcome_of_each(
    database: Database, wait: bool
) -> None:
    known = ingest(database, a_new_signal(external_id="known"))
    news = [
        a_new_signal(instrument="MSFT", external_id="e"),
        a_new_signal(external_id="known", instrument="GOOG"),
        a_new_signal(instrument="MSFT", external_id="e"),
    ]
    items = [incoming(new) for new in news]
    outcomes = store(database, items, RULE, wait_for_lock=wait, atomic=True)
    assert outcomes[0] is NotDone.ROLLED_BACK
    assert outcomes[1] == Existing(known, MatchedOn.EXTERNAL_ID)
    assert outcomes[2] == Existing(queries.to_row(items[0]), MatchedOn.EXTERNAL_ID)
    assert count(database) == 1
    assert all(isinstance(outcome, SignalRow) for outcome in store(database, items[:1], RULE, wait_for_lock=wait))


def test_a_lock_that_is_not_free_leaves_its_signal_out_and_stores_the_others(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("it has one writer at a time")
    items = [incoming(a_new_signal(instrument=f"I{number}", external_id=f"e{number}")) for number in range(4)]
    busy_keys = (items[1].identity.window_key, items[2].identity.external_key)
    with database.transaction() as session:
        for key in busy_keys:
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": postgresql.lock_number(key)})
        outcomes = store(database, items, RULE, wait_for_lock=False)
        assert [outcome is NotDone.BUSY for outcome in outcomes] == [False, True, True, False]
        assert count(database) == 2
        atomic = store(
            database, [incoming(a_new_signal(instrument="X")), items[1]], RULE, wait_for_lock=False, atomic=True
        )
        assert atomic == [NotDone.ROLLED_BACK, NotDone.BUSY]
        assert count(database) == 2
    assert [isinstance(outcome, SignalRow) for outcome in store(database, items[1:3], RULE, wait_for_lock=False)] == [
        True,
        True,
    ]


def test_a_writer_that_waited_for_a_lock_sees_what_its_holder_has_stored(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("it has one writer at a time")
    first, second = incoming(a_new_signal()), incoming(a_new_signal(price=Decimal(1)))
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as session:
            lock = postgresql.lock_number(first.identity.window_key)
            session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})
            waiting = pool.submit(store, database, [second], RULE, wait_for_lock=True)
            wait_until_blocked(database)
            session.execute(insert(Signal), [queries.to_row(first)._asdict()])
        assert waiting.result(10) == [Existing(queries.to_row(first), MatchedOn.WINDOW)]


def test_a_writer_without_locks_that_comes_between_is_found_by_a_second_try(database: Database) -> None:
    if database.is_sqlite:
        pytest.skip("it has one writer at a time")
    first = incoming(a_new_signal(external_id="e"))
    second = incoming(a_new_signal(external_id="e", instrument="MSFT"))
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as session:
            session.execute(insert(Signal), [queries.to_row(first)._asdict()])
            waiting = pool.submit(store, database, [second], RULE, wait_for_lock=True)
            wait_until_blocked(database)
        assert waiting.result(10) == [Existing(queries.to_row(first), MatchedOn.EXTERNAL_ID)]


def wait_until_blocked(database: Database) -> None:
    """Return as soon as a transaction of this PostgreSQL waits for a lock."""
    until = time.monotonic() + 10
    while not database.execute_raw("SELECT 1 FROM pg_locks WHERE NOT granted", ()):
        assert time.monotonic() < until
        time.sleep(0.001)


@pytest.mark.parametrize("many", [1, 3])
def test_a_value_that_the_database_refuses_stores_none_of_the_list(database: Database, many: int) -> None:
    refused = a_new_signal(side=None) if database.is_sqlite else a_new_signal(version="x" * 10_000)
    others = [a_new_signal(instrument=f"I{number}") for number in range(many - 1)]
    with pytest.raises(DBAPIError):
        store(database, [incoming(new) for new in [*others, refused]], RULE, wait_for_lock=True)
    assert count(database) == 0


def test_a_search_begins_with_the_newest_signal_and_continues_after_a_given_id(database: Database) -> None:
    stored = [ingest(database, a_new_signal(time=NOON + timedelta(hours=-hour))).id for hour in range(5)]
    with database.reading() as session:
        first = [signal.id for signal in queries.search(session, SignalFilter(), after_id=None, limit=2)]
        rest = [signal.id for signal in queries.search(session, SignalFilter(), after_id=first[-1], limit=9)]
    assert first + rest == stored[::-1]
