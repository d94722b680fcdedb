"""How a sender's words become a signal."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from app.hooks.domain import (
    MalformedText,
    Translation,
    digest,
    may_use,
    networks,
    new_token,
    text_fields,
    translate,
)
from app.shared.errors import FieldError, ValidationFailed


def translated(told: dict[str, Any], **names: str) -> dict[str, Any]:
    return translate(told, Translation(names)).document


def test_the_usual_names_are_understood():
    told = {"symbol": "EURUSD", "action": "buy", "close": 1.07, "timenow": "2026-11-24T10:00:00Z"}
    assert translated(told) == {
        "instrument": "EURUSD",
        "side": "buy",
        "price": 1.07,
        "time": "2026-11-24T10:00:00Z",
        "payload": {},
    }


def test_our_own_names_come_first_and_the_others_are_left_for_the_payload():
    told = {"instrument": "A", "ticker": "B", "price": 1, "close": 2, "time": "t", "timenow": "n"}
    document = translated(told)
    assert (document["instrument"], document["price"], document["time"]) == ("A", 1, "t")
    assert document["payload"] == {"ticker": "B", "close": 2, "timenow": "n"}


@pytest.mark.parametrize(
    ("said", "side"),
    [("buy", "buy"), ("LONG", "buy"), (" Sell ", "sell"), ("short", "sell"), ("close", "close"), (1, 1)],
)
def test_sides_are_read_in_every_trader_s_words(said, side):
    assert translated({"side": said})["side"] == side


@pytest.mark.parametrize(
    ("said", "kept", "stripped"),
    [
        ("FX:EURUSD", "FX:EURUSD", "EURUSD"),
        ("CME_MINI:ES1!", "CME_MINI:ES1", "ES1"),
        ("AAPL", "AAPL", "AAPL"),
        (" BINANCE:BTCUSDT.P ", "BINANCE:BTCUSDT.P", "BTCUSDT.P"),
        (5, 5, 5),
    ],
)
def test_the_exchange_is_kept_or_stripped(said, kept, stripped):
    assert translate({"ticker": said}, Translation()).document["instrument"] == kept
    assert translate({"ticker": said}, Translation(strip_exchange=True)).document["instrument"] == stripped


@pytest.mark.parametrize(
    ("said", "time"),
    [("1764000000000", 1764000000000), ("2026-11-24T10:00:00Z", "2026-11-24T10:00:00Z"), (5, 5), ("1" * 16, "1" * 16)],
)
def test_milliseconds_in_a_text_are_a_number(said, time):
    assert translated({"time": said})["time"] == time


def test_a_number_may_be_a_version_and_an_external_id():
    document = translated({"version": 2, "external_id": 77})
    assert (document["version"], document["external_id"]) == ("2", "77")
    assert translated({"version": True})["version"] is True


def test_an_order_s_id_is_not_an_external_id_since_senders_repeat_it():
    assert translated({"id": "Long", "order_id": "Long"}) == {"payload": {"id": "Long", "order_id": "Long"}}


def test_a_hook_s_own_names_go_instead_of_the_usual_ones():
    document = translated(
        {"coin": "BTC", "ticker": "X", "dir": "long", "sl": "1"}, instrument="coin", side="dir", stop_loss="sl"
    )
    assert document == {"instrument": "BTC", "side": "buy", "payload": {"ticker": "X", "stop_loss": "1"}}


def test_what_is_left_stands_beside_what_the_payload_holds():
    document = translated({"payload": {"strategy": "s"}, "note": "n"})
    assert document["payload"] == {"strategy": "s", "note": "n"}


def test_a_field_may_not_stand_in_the_payload_and_beside_it():
    with pytest.raises(ValidationFailed, match="/note: Stands twice"):
        translated({"payload": {"note": "a"}, "note": "b"})


@pytest.mark.parametrize("told", [None, [], "a", 1])
def test_only_an_object_can_be_translated(told):
    with pytest.raises(ValidationFailed, match="Must be an object"):
        translate(told, Translation())


def test_a_payload_that_is_no_object_is_left_for_the_reader_of_signals_to_refuse():
    assert translated({"payload": "x"}) == {"payload": "x"}


@pytest.mark.parametrize(("interval", "timeframe"), [("60", "1h"), (240, "4h"), ("D", "1d"), ("1W", "1w"), ("3", None)])
def test_a_chart_s_interval_is_the_timeframe_where_bars_are_kept_in_it(interval, timeframe):
    payload = translated({"interval": interval})["payload"]
    assert payload["interval"] == interval
    assert payload.get("timeframe") == timeframe
    assert translated({"interval": interval, "timeframe": "5m"})["payload"]["timeframe"] == "5m"


def test_several_levels_in_one_text_are_a_list():
    assert translated({"take_profit": "1.08, 1.09", "note": "a, b"})["payload"] == {
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
def test_an_error_is_told_by_the_name_the_sender_used(pointer, at_source):
    told = {"symbol": "A", "a/b": "x", "sl": [1, 2], "other": 1, "payload": {"inner": 1}}
    sent = translate(told, Translation({"side": "a/b", "stop_loss": "sl"}))
    assert sent.at_source(FieldError(pointer, "m")) == FieldError(at_source, "m")


def test_what_is_missing_is_told_by_the_names_it_was_looked_for():
    sent = translate({}, Translation({"side": "dir", "stop_loss": "sl"}))
    assert sent.at_source(FieldError("/price", "Missing.")) == FieldError(
        "/price", "Missing. Looked for: price, close."
    )
    assert sent.at_source(FieldError("/side", "Missing.")) == FieldError("/dir", "Missing. Looked for: dir.")
    assert sent.at_source(FieldError("/payload/stop_loss", "Missing.")).pointer == "/sl"
    for elsewhere in ("/payload/price", "/stop_loss", "/other", ""):
        assert sent.at_source(FieldError(elsewhere, "Missing.")) == FieldError(elsewhere, "Missing.")


def test_a_text_has_a_field_on_each_line():
    body = b"Symbol: FX:EURUSD\r\n\n  Side=buy\nStop Loss:  1.06 \nurl: http://a?b=c\n"
    assert text_fields(body) == {"symbol": "FX:EURUSD", "side": "buy", "stop_loss": "1.06", "url": "http://a?b=c"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a: 1\nBUY EURUSD", "line 2 is not"),
        (b": 1", "line 1 is not"),
        (b"1a: 1", "line 1 is not"),
        (b"a" * 65 + b": 1", "line 1 is not"),
        (b"a: 1\nA = 2", "the field a stands twice"),
        (b"a: \xff", "not UTF-8 at byte 3"),
        (b"a: \x00", "NUL"),
    ],
)
def test_a_text_of_another_form_is_refused(body, told):
    with pytest.raises(MalformedText, match=told):
        text_fields(body)


def test_tokens_are_long_and_never_the_same_and_only_their_digest_is_kept():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("hook_") and len(token) == len("hook_") + 43 for token in tokens)
    token = tokens.pop()
    assert len(digest(token)) == 64
    assert digest(token) != digest(token + "x")


@pytest.mark.parametrize(
    ("allowed", "address", "answer"),
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
def test_where_networks_are_named_only_they_may_send(allowed, address, answer):
    assert may_use(networks(allowed), ip_address(address) if address else None) is answer
