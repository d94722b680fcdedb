from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared import exact_json
from app.shared.errors import ValidationFailed
from app.shared.instruments import TIMEFRAME_SECONDS
from app.signals.api.schemas import read_signal
from app.signals.domain import NewSignal

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LEAST = {"instrument": "AAPL", "side": "buy", "price": "187.20"}


def read(document: Any, message_id: str | None = None) -> NewSignal:
    return read_signal(
        document, producer_id="desk-1", now=NOON, max_ahead_seconds=60, signed=False, message_id=message_id
    )


def pointers(document: Any) -> list[str]:
    with pytest.raises(ValidationFailed) as refusal:
        read(document)
    return [error.pointer for error in refusal.value.errors]


def test_the_least_signal_gets_its_defaults() -> None:
    assert read(LEAST) == NewSignal("desk-1", "AAPL", "buy", Decimal("187.20"), NOON, timed=False)


def test_a_full_signal_is_read_as_it_was_sent() -> None:
    payload = {"stop_loss": "180", "take_profit": [190, Decimal("195.5")], "timeframe": "1h", "x": {"y": [None]}}
    document = {
        **LEAST,
        "time": "2026-03-02T13:30:00+02:00",
        "version": "2.1",
        "external_id": "a b~",
        "payload": payload,
    }
    signal = read(document)
    assert signal.time == datetime(2026, 3, 2, 11, 30, tzinfo=UTC)
    assert (signal.version, signal.external_id, signal.payload, signal.timed) == ("2.1", "a b~", payload, True)


@pytest.mark.parametrize("value", ["aapl", "BTC/USDT", "BINANCE:BTC-USD", "EUR_USD", "A.B", "A" * 32])
def test_instruments_are_upper_cased(value: str) -> None:
    assert read({**LEAST, "instrument": value}).instrument == value.upper()


@pytest.mark.parametrize("value", ["", "A" * 33, "A B", "AAPL\n", "straße", "\u017f", "A;B", 5, None, ["AAPL"]])
def test_an_instrument_of_other_characters_is_refused(value: Any) -> None:
    assert pointers({**LEAST, "instrument": value}) == ["/instrument"]


@pytest.mark.parametrize("value", ["Buy", "hold", "", 1, None])
def test_a_side_is_buy_or_sell(value: Any) -> None:
    assert pointers({**LEAST, "side": value}) == ["/side"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1", "1"),
        (b"1.10", "1.10"),
        (b"0.1", "0.1"),
        (b"1e5", "100000"),
        (b"1.5E-3", "0.0015"),
        (b'"0.000000000000000001"', "0.000000000000000001"),
        (b"999999999999999999", "999999999999999999"),
        (b'"123456789.123456789"', "123456789.123456789"),
    ],
)
def test_a_price_keeps_every_digit_as_a_number_and_as_a_text(value: bytes, expected: str) -> None:
    price = read({**LEAST, "price": exact_json.loads(value)}).price
    assert f"{price:f}" == expected


@pytest.mark.parametrize(
    "value",
    [
        *(b"0", b"-1", b"0.0", b"true", b"null", b"[]", b"{}", b"1e18", b"1e-19", b"1234567890.123456789", b"1e400"),
        *(b'""', b'"NaN"', b'"Infinity"', b'"1_000"', b'" 1"', b'"1 "', b'"1,5"', b'"0x10"', b'"+1"', b'"1e999"'),
        *(b'"\\u0661"', b'".5"', b'"5."', b'"-0"', b'"1\\n"', b"9999999999999999999"),
    ],
)
def test_a_price_that_is_no_positive_number_of_at_most_18_digits_is_refused(value: bytes) -> None:
    assert pointers({**LEAST, "price": exact_json.loads(value)}) == ["/price"]


@given(st.decimals(min_value="0.00000001", max_value="9999999999", places=8), st.booleans())
def test_any_price_comes_through_json_exactly(price: Decimal, as_text: bool) -> None:
    written = f'"{price:f}"' if as_text else f"{price}"
    assert read({**LEAST, "price": exact_json.loads(written.encode())}).price == price


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-03-02T12:00:59Z", NOON + timedelta(seconds=59)),
        ("2026-03-02t12:00:00z", NOON),
        ("2026-03-02 12:00:00Z", NOON),
        ("2026-03-02T07:00:00.123456789-05:00", NOON + timedelta(microseconds=123_456)),
        (1772452800123, NOON + timedelta(milliseconds=123)),
        (0, datetime(1970, 1, 1, tzinfo=UTC)),
        ("2026-03-02T12:01:00Z", NOON + timedelta(seconds=60)),
    ],
)
def test_a_time_is_rfc_3339_with_an_offset_or_epoch_milliseconds(value: Any, expected: datetime) -> None:
    assert read({**LEAST, "time": value}).time == expected


@pytest.mark.parametrize(
    "value",
    [
        *("2026-03-02", "2026-03-02T12:00:00", "2026-03-02T12:00Z", "20260302T120000Z", "2026-W10-1T12:00:00Z", "now"),
        *("2026-02-30T12:00:00Z", "2026-03-02T24:30:00Z", "2026-03-02T12:00:60Z", "2026-03-02T12:00:00+25:00", ""),
        *("1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1772452800123"),
        *(-1, True, None, 10**15, Decimal("1772452800123.5"), Decimal(10) ** 30, [], {}),
        *("2026-03-02T12:01:00.001Z", 1772452860001),
    ],
)
def test_another_time_or_one_too_far_ahead_is_refused(value: Any) -> None:
    assert pointers({**LEAST, "time": value}) == ["/time"]


def test_seconds_are_not_taken_for_milliseconds() -> None:
    with pytest.raises(ValidationFailed, match="looks like seconds"):
        read({**LEAST, "time": 1772452800})


@pytest.mark.parametrize("value", ["", "v" * 21, "1 ", "1\n", "ü", 1, None])
def test_a_version_of_other_characters_is_refused(value: Any) -> None:
    assert pointers({**LEAST, "version": value}) == ["/version"]


@pytest.mark.parametrize("value", ["", "x" * 129, "tab\t", "é", "x\n", 7, None])
def test_an_external_id_is_printable_ascii(value: Any) -> None:
    assert pointers({**LEAST, "external_id": value}) == ["/external_id"]


def test_the_id_of_a_verified_message_serves_as_external_id_only_where_there_is_none() -> None:
    assert read(LEAST, message_id="msg_1").external_id == "msg_1"
    assert read({**LEAST, "external_id": "own"}, message_id="msg_1").external_id == "own"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"take_profit": [1, 0, "x"]}, ["/payload/take_profit/1", "/payload/take_profit/2"]),
        ({"take_profit": []}, ["/payload/take_profit"]),
        ({"take_profit": [1] * 21}, ["/payload/take_profit"]),
        ({"stop_loss": True}, ["/payload/stop_loss"]),
        ({"stop_loss": None}, ["/payload/stop_loss"]),
        ({"stop_loss": {"price": 1}}, ["/payload/stop_loss"]),
        ({"timeframe": "2h"}, ["/payload/timeframe"]),
        ({"strategy": "s" * 65}, ["/payload/strategy"]),
        ({"strategy": ""}, ["/payload/strategy"]),
        ({"note": "n" * 2001}, ["/payload/note"]),
        ({"note": 1}, ["/payload/note"]),
        ([], ["/payload"]),
        ("text", ["/payload"]),
        (None, ["/payload"]),
    ],
)
def test_known_keys_of_a_payload_are_validated(payload: Any, expected: list[str]) -> None:
    assert pointers({**LEAST, "payload": payload}) == expected


def test_unknown_keys_of_a_payload_pass_as_they_are() -> None:
    payload = {"Stop_Loss": "whatever", "nested": {"deep": [1, {"x": None}]}, "": Decimal("1.10")}
    assert read({**LEAST, "payload": payload}).payload == payload


def test_unknown_fields_of_a_signal_are_refused_by_name() -> None:
    assert sorted(pointers({**LEAST, "stop_loss": 1, "a/b~": 1})) == ["/a~1b~0", "/stop_loss"]


@pytest.mark.parametrize("document", [[], [LEAST], "text", 1, None, True])
def test_a_signal_is_an_object(document: Any) -> None:
    assert pointers(document) == [""]


def test_all_invalid_values_are_reported_together() -> None:
    wrong = {"side": "hold", "price": 0, "time": "2099-01-01T00:00:00Z", "payload": {"timeframe": "9h"}, "x": 1}
    assert sorted(pointers(wrong)) == ["/instrument", "/payload/timeframe", "/price", "/side", "/time", "/x"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instrument": "A B"}, "Must be 1-32 of A-Z 0-9 . _ / : -."),
        ({"instrument": None}, "Field may not be null."),
        ({"instrument": 5}, "Not a valid string."),
        ({"side": "hold"}, "Must be one of: buy, sell."),
        ({"version": "1 "}, "Must be 1-20 of A-Z a-z 0-9 . _ -."),
        ({"external_id": ""}, "Must be 1-128 printable ASCII characters."),
        ({"price": 0}, "Must be greater than 0."),
        ({"payload": []}, "Must be an object."),
        ({"strange": 1}, "Unknown field."),
    ],
)
def test_an_error_says_what_the_field_must_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        read({**LEAST, **change})
    assert [error.message for error in refusal.value.errors] == [message]


def test_a_missing_field_and_a_document_that_is_no_object_are_named() -> None:
    for document, message in (
        ({"instrument": "AAPL", "side": "buy"}, "Missing data for required field."),
        ([], "Must be an object."),
    ):
        with pytest.raises(ValidationFailed) as refusal:
            read(document)
        assert [error.message for error in refusal.value.errors] == [message]


@pytest.mark.parametrize("timeframe", TIMEFRAME_SECONDS)
def test_a_payload_may_name_every_timeframe_of_stored_bars(timeframe: str) -> None:
    assert read({**LEAST, "payload": {"timeframe": timeframe}}).payload == {"timeframe": timeframe}


NAMES = ["instrument", "side", "price", "time", "version", "external_id", "payload", "stop_loss", "note", "strange"]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 2 * 10**12),
        st.decimals(-5, 5, allow_nan=False),
        st.sampled_from(["AAPL", "buy", "1.5", "", "2026-03-02T12:00:00Z", "1h", "x" * 200, "é"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)),
    max_leaves=6,
)


def resolves(document: Any, pointer: str) -> bool:
    """Whether a pointer leads to a value of the document, or to a required field that is missing in it."""
    *parents, last = pointer.split("/")
    for name in parents[1:]:
        document = document[int(name)] if isinstance(document, list) else document[name]
    return last in (document if isinstance(document, dict) else map(str, range(len(document)))) or last in LEAST


@given(st.one_of(VALUES, st.dictionaries(st.sampled_from(NAMES), VALUES).map(lambda value: LEAST | value)))
def test_any_json_value_is_a_signal_or_is_refused_with_pointers_into_it(document: Any) -> None:
    try:
        signal = read(document)
    except ValidationFailed as refusal:
        pointers = [error.pointer for error in refusal.errors]
        assert len(pointers) == len(set(pointers))
        assert all(resolves(document, pointer) for pointer in pointers if pointer)
    else:
        assert signal.payload == document.get("payload", {})
