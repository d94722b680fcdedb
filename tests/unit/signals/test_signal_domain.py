from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared.db import uuid7
from app.signals.domain import (
    DedupRule,
    DuplicateSignal,
    MatchedOn,
    NewSignal,
    diff_fields,
    external_key,
    levels,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
RULE = DedupRule(300)


def a_new_signal(**changes: Any) -> NewSignal:
    return replace(NewSignal("desk-1", "AAPL", "buy", Decimal("187.20"), NOON), **changes)


def test_the_dedup_key_compares_producer_instrument_version_and_side_and_nothing_else() -> None:
    key = RULE.key(a_new_signal())
    assert key == RULE.key(a_new_signal(price=Decimal(1), payload={"strategy": "x"}, external_id="e"))
    assert key != RULE.key(a_new_signal(side="sell"))
    assert key != RULE.key(a_new_signal(producer_id="desk-2"))
    assert key != RULE.key(a_new_signal(instrument="MSFT"))
    assert key != RULE.key(a_new_signal(version="2"))


@pytest.mark.parametrize(
    ("field", "change"), [("side", {"side": "sell"}), ("payload.strategy", {"payload": {"strategy": "momentum"}})]
)
def test_the_dedup_key_compares_the_fields_it_is_told_to(field: str, change: dict[str, Any]) -> None:
    rule = DedupRule(300, ("instrument", "version", field))
    assert rule.key(a_new_signal()) != rule.key(a_new_signal(**change))
    assert rule.key(a_new_signal(**change)) == rule.key(a_new_signal(price=Decimal(2), **change))


@given(st.text(), st.text(), st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_keys_are_digests_of_json_as_stored_rows_and_older_processes_have_them(
    producer: str, external_id: str, payload: dict[str, Any]
) -> None:
    fields = ("version", "instrument", *(f"payload.{name}" for name in payload))
    new = a_new_signal(producer_id=producer, external_id=external_id, payload=payload)
    values = {"instrument": "AAPL", "version": "1"} | {f"payload.{name}": value for name, value in payload.items()}
    window = json.dumps(["window", producer, *sorted(map(list, values.items()), key=itemgetter(0))])
    external = json.dumps(["external", producer, external_id])
    identity = DedupRule(300, fields).identify(new)
    assert identity.window_key == hashlib.sha256(window.encode()).hexdigest()
    assert identity.external_key == hashlib.sha256(external.encode()).hexdigest()


def test_the_order_in_which_fields_are_configured_does_not_matter() -> None:
    one, other = DedupRule(300, ("instrument", "version", "side")), DedupRule(300, ("side", "version", "instrument"))
    assert one.key(a_new_signal()) == other.key(a_new_signal())


def test_a_value_cannot_pass_for_another_fields() -> None:
    assert external_key("a", "b-c") != external_key("a-b", "c")
    assert RULE.key(a_new_signal(instrument="1", version="AAPL")) != RULE.key(
        a_new_signal(instrument="AAPL", version="1")
    )


@given(
    st.integers(1, 10_000),
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)),  # noqa: DTZ001 - the strategy wants them naive
    st.timedeltas(timedelta(0), timedelta(seconds=20_000)),
)
def test_signals_of_one_bucket_are_less_than_the_window_apart(window: int, time: datetime, later: timedelta) -> None:
    rule = DedupRule(window)
    one = a_new_signal(time=time.replace(tzinfo=UTC))
    other = replace(one, time=one.time + later)
    if rule.bucket(one) == rule.bucket(other):
        assert later < rule.window
    else:
        assert rule.bucket(one) < rule.bucket(other)


def test_what_differs_is_named_and_equal_numbers_do_not_differ() -> None:
    stored = a_new_signal(price=Decimal("187.2"), payload={"stop_loss": Decimal("1.0")})
    assert diff_fields(a_new_signal(payload={"stop_loss": 1}), stored) == []
    assert diff_fields(a_new_signal(side="sell", payload={}), stored) == ["side", "payload"]


def test_a_time_that_was_not_told_does_not_differ() -> None:
    later = NOON + timedelta(seconds=9)
    assert diff_fields(a_new_signal(time=later, timed=False), a_new_signal()) == []
    assert diff_fields(a_new_signal(time=later), a_new_signal()) == ["time"]


def test_a_duplicate_explains_itself() -> None:
    existing_id = uuid7()
    refusal = DuplicateSignal(a_new_signal(side="sell"), existing_id, a_new_signal(), MatchedOn.WINDOW)
    assert refusal.extra == {
        "existing_signal_id": str(existing_id),
        "matched_on": "window",
        "differs": ["side"],
    }
    assert str(existing_id) in refusal.detail


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ()),
        (Decimal("1.5"), (Decimal("1.5"),)),
        ("1.50", (Decimal("1.50"),)),
        ([1, "2.5"], (Decimal(1), Decimal("2.5"))),
    ],
)
def test_levels_come_as_a_tuple_of_decimals_however_they_were_sent(value: Any, expected: tuple[Decimal, ...]) -> None:
    assert levels({"take_profit": value}, "take_profit") == expected
    assert levels({}, "take_profit") == ()
