"""How the fields of a sender become a signal."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from app.hooks.domain import (
    FieldMap,
    MalformedText,
    digest,
    is_allowed,
    map_fields,
    networks,
    new_token,
    parse_lines,
)
from app.shared.errors import FieldError, ValidationFailed


def mapped(document: dict[str, Any], **names: str) -> dict[str, Any]:
    return map_fields(document, FieldMap(names)).document


def test_the_usual_names_are_accepted():
    document = {"symbol": "EURUSD", "action": "buy", "close": 1.07, "timenow": "2026-11-24T10:00:00Z"}
    assert mapped(document) == {
        "instrument": "EURUSD",
        "side": "buy",
        "price": 1.07,
        "time": "2026-11-24T10:00:00Z",
        "payload": {},
    }


def test_the_first_accepted_name_counts_and_the_others_go_into_the_payload():
    document = {"instrument": "A", "ticker": "B", "price": 1, "close": 2, "time": "t", "timenow": "n"}
    document = mapped(document)
    assert (document["instrument"], document["price"], document["time"]) == ("A", 1, "t")
    assert document["payload"] == {"ticker": "B", "close": 2, "timenow": "n"}


@pytest.mark.parametrize(
    ("value", "side"),
    [("buy", "buy"), ("LONG", "buy"), (" Sell ", "sell"), ("short", "sell"), ("close", "close"), (1, 1)],
)
def test_long_and_short_are_sides_in_any_case(value, side):
    assert mapped({"side": value})["side"] == side


@pytest.mark.parametrize(
    ("value", "kept", "stripped"),
    [
        ("FX:EURUSD", "FX:EURUSD", "EURUSD"),
        ("CME_MINI:ES1!", "CME_MINI:ES1", "ES1"),
        ("AAPL", "AAPL", "AAPL"),
        (" BINANCE:BTCUSDT.P ", "BINANCE:BTCUSDT.P", "BTCUSDT.P"),
        (5, 5, 5),
    ],
)
def test_the_exchange_is_kept_or_stripped(value, kept, stripped):
    assert map_fields({"ticker": value}, FieldMap()).document["instrument"] == kept
    assert map_fields({"ticker": value}, FieldMap(strip_exchange=True)).document["instrument"] == stripped


@pytest.mark.parametrize(
    ("value", "time"),
    [("1764000000000", 1764000000000), ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"), (5, 5), ("1" * 16, "1" * 16)],
)
def test_milliseconds_in_a_text_are_a_number(value, time):
    assert mapped({"time": value})["time"] == time


def test_a_number_may_be_a_version_and_an_external_id():
    document = mapped({"version": 2, "external_id": 77})
    assert (document["version"], document["external_id"]) == ("2", "77")
    assert mapped({"version": True})["version"] is True


def test_an_order_s_id_is_not_an_external_id_since_senders_repeat_it():
    assert mapped({"id": "Long", "order_id": "Long"}) == {"payload": {"id": "Long", "order_id": "Long"}}


def test_a_hook_s_own_names_replace_the_usual_ones():
    document = mapped(
        {"coin": "BTC", "ticker": "X", "dir": "long", "sl": "1"}, instrument="coin", side="dir", stop_loss="sl"
    )
    assert document == {"instrument": "BTC", "side": "buy", "payload": {"ticker": "X", "stop_loss": "1"}}


def test_other_fields_are_added_to_the_payload():
    document = mapped({"payload": {"strategy": "s"}, "note": "n"})
    assert document["payload"] == {"strategy": "s", "note": "n"}


def test_a_field_may_not_be_given_both_in_the_payload_and_beside_it():
    with pytest.raises(ValidationFailed, match="/note: Also given in the payload"):
        mapped({"payload": {"note": "a"}, "note": "b"})


@pytest.mark.parametrize("document", [None, [], "a", 1])
def test_only_an_object_can_be_mapped(document):
    with pytest.raises(ValidationFailed, match="Must be an object"):
        map_fields(document, FieldMap())


def test_a_payload_that_is_no_object_is_kept_for_the_schema_of_signals_to_refuse():
    assert mapped({"payload": "x"}) == {"payload": "x"}


@pytest.mark.parametrize(("interval", "timeframe"), [("60", "1h"), (240, "4h"), ("D", "1d"), ("1W", "1w"), ("3", None)])
def test_a_chart_s_interval_becomes_the_timeframe_if_bars_have_such_a_timeframe(interval, timeframe):
    payload = mapped({"interval": interval})["payload"]
    assert payload["interval"] == interval
    assert payload.get("timeframe") == timeframe
    assert mapped({"interval": interval, "timeframe": "5m"})["payload"]["timeframe"] == "5m"


def test_several_levels_in_one_text_are_a_list():
    assert mapped({"take_profit": "1.08, 1.09", "note": "a, b"})["payload"] == {
        "take_profit": ["1.08", "1.09"],
        "note": "a, b",
    }


@pytest.mark.parametrize(
    ("pointer", "at_source"),
    [
        ("/instrument", "/symbol"),
        ("/side", "/a~1b"),
        ("/payload/stop_loss/1", "/sl/1"),
        ("/payload/other", "/other"),
        ("/payload/inner", "/payload/inner"),
        ("/payload", "/payload"),
    ],
)
def test_an_error_points_to_the_name_that_the_sender_used(pointer, at_source):
    document = {"symbol": "A", "a/b": "x", "sl": [1, 2], "other": 1, "payload": {"inner": 1}}
    signal = map_fields(document, FieldMap({"side": "a/b", "stop_loss": "sl"}))
    assert signal.at_source(FieldError(pointer, "m")) == FieldError(at_source, "m")


def test_the_error_of_a_missing_field_lists_the_accepted_names():
    signal = map_fields({}, FieldMap({"side": "dir", "stop_loss": "sl"}))
    assert signal.at_source(FieldError("/price", "Missing.")) == FieldError(
        "/price", "Missing. Accepted names: price, close."
    )
    assert signal.at_source(FieldError("/side", "Missing.")) == FieldError("/dir", "Missing. Accepted names: dir.")
    assert signal.at_source(FieldError("/payload/stop_loss", "Missing.")).pointer == "/sl"
    for elsewhere in ("/payload/price", "/stop_loss", "/other", ""):
        assert signal.at_source(FieldError(elsewhere, "Missing.")) == FieldError(elsewhere, "Missing.")


def test_a_text_has_a_field_on_each_line():
    body = b"Symbol: FX:EURUSD\r\n\n  Side=buy\nStop Loss:  1.06 \nurl: http://a?b=c\n"
    assert parse_lines(body) == {"symbol": "FX:EURUSD", "side": "buy", "stop_loss": "1.06", "url": "http://a?b=c"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a: 1\nBUY EURUSD", "line 2 is not"),
        (b": 1", "line 1 is not"),
        (b"1a: 1", "line 1 is not"),
        (b"a" * 65 + b": 1", "line 1 is not"),
        (b"a: 1\nA = 2", "the field a is given twice"),
        (b"a: \xff", "not UTF-8 at byte 3"),
        (b"a: \x00", "NUL"),
    ],
)
def test_a_text_of_another_form_is_refused(body, message):
    with pytest.raises(MalformedText, match=message):
        parse_lines(body)


def test_tokens_are_long_and_never_the_same_and_only_their_digest_is_kept():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("hook_") and len(token) == len("hook_") + 43 for token in tokens)
    token = tokens.pop()
    assert len(digest(token)) == 64
    assert digest(token) != digest(token + "x")


@pytest.mark.parametrize(
    ("allowed", "address", "expected"),
    [
        ([], "203.0.113.9", True),
        ([], None, True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.114.9", False),
        (["203.0.113.7"], "203.0.113.7", True),
        (["2001:db8::/32", "10.0.0.0/8"], "2001:db8::1", True),
        (["10.0.0.0/8"], "2001:db8::1", False),
        (["10.0.0.0/8"], None, False),
    ],
)
def test_if_networks_are_named_only_they_may_send(allowed, address, expected):
    assert is_allowed(networks(allowed), ip_address(address) if address else None) is expected
