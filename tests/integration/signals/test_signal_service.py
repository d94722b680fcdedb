from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError

from app.events.models import Event
from app.shared.db import Database, uuid7
from app.signals import queries
from app.signals.domain import DedupRule, DuplicateSignal, MatchedOn, NewSignal, UnknownSignal
from app.signals.models import Signal, SignalRow
from app.signals.queries import SignalFilter
from app.signals.storage import single
from app.signals.storage.single import Told
from tests.integration.signals.builders import NOON, a_new_signal

RULE = DedupRule(300)
DEFAULT = RULE.fields


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    built = Database(database_url, timeout_seconds=20)
    yield built
    built.dispose()


def tell(new: NewSignal, rule: DedupRule = RULE) -> Told:
    return Told(new, rule.identify(new), NOON + timedelta(seconds=1), "r")


def ingest(
    database: Database, new: NewSignal, *, window_seconds: int = 300, dedup_fields: tuple[str, ...] = DEFAULT
) -> SignalRow:
    rule = DedupRule(window_seconds, dedup_fields)
    told = tell(new, rule)
    (stored,) = single.store(database, [told], rule, patient=True)
    if stored is not None:
        return stored
    duplicate = single.find_duplicate(database, new, told.identity, rule)
    assert duplicate is not None
    raise duplicate


def refusal(database: Database, new: NewSignal) -> DuplicateSignal:
    with pytest.raises(DuplicateSignal) as raised:
        ingest(database, new)
    return raised.value


def count(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Signal)) or 0


def test_what_is_stored_is_what_was_told_to_the_last_digit(database: Database) -> None:
    payload = {"take_profit": [Decimal("190.10"), 200], "deep": {"n": Decimal("0.1000000000000000000000001")}}
    new = a_new_signal(
        price=Decimal("0.000000000000000010"),
        time=NOON + timedelta(microseconds=1),
        external_id="~ x",
        payload=payload,
        signed=True,
    )
    answered = ingest(database, new)
    with database.reading() as session:
        stored = queries.get(session, answered.id)
        assert queries.as_new_signal(stored) == new
        assert f"{stored.price:f}" == f"{answered.price:f}" == "0.000000000000000010"
        assert stored.payload == answered.payload
        assert stored.received_at == answered.received_at == NOON + timedelta(seconds=1)
        assert stored.status == "new"


def test_a_signal_that_is_not_there_is_not_found(database: Database) -> None:
    with database.reading() as session, pytest.raises(UnknownSignal):
        queries.get(session, uuid7())


def test_a_signal_is_not_kept_without_the_event_that_tells_of_it(database: Database) -> None:
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


def test_of_signals_of_one_key_ingested_at_once_one_is_stored(database: Database) -> None:
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
    """The rules of the contract in their plainest form: what the database must agree with."""
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
def test_the_database_judges_as_the_rules_say(
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
@given(st.lists(signals, min_size=1, max_size=12), st.sampled_from([0, 1, 7, 20]), st.booleans())
def test_many_in_one_transaction_are_judged_as_one_after_the_other(
    database: Database, posted: list[NewSignal], window_seconds: int, patient: bool
) -> None:
    with database.transaction() as session:
        session.execute(text("DELETE FROM events"))
        session.execute(text("DELETE FROM signals"))
    rule = DedupRule(window_seconds, DEFAULT)
    outcomes = single.store(database, [tell(new, rule) for new in posted], rule, patient=patient)
    new_ones: list[NewSignal] = []
    for new, outcome in zip(posted, outcomes, strict=True):
        assert (outcome is None) == any(is_same(new, known, rule) for known in new_ones)
        if outcome is not None:
            assert queries.as_new_signal(outcome) == new
            new_ones.append(new)
    with database.reading() as session:
        subjects = set(session.scalars(select(Event.subject)))
    assert subjects == {str(outcome.id) for outcome in outcomes if outcome is not None}
    assert count(database) == len(subjects)


def test_a_search_goes_from_the_newest_and_on_from_where_it_was(database: Database) -> None:
    stored = [ingest(database, a_new_signal(time=NOON + timedelta(hours=-hour))).id for hour in range(5)]
    with database.reading() as session:
        first = [signal.id for signal in queries.search(session, SignalFilter(), after_id=None, limit=2)]
        rest = [signal.id for signal in queries.search(session, SignalFilter(), after_id=first[-1], limit=9)]
    assert first + rest == stored[::-1]
