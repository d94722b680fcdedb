"""Names of instruments, and timeframes."""

from __future__ import annotations

import pytest

from app.shared.instruments import TIMEFRAME_SECONDS, normalize_instrument


@pytest.mark.parametrize(("text", "expected"), [("aapl", "AAPL"), ("binance:btc_usdt.p-1", "BINANCE:BTC_USDT.P-1")])
def test_an_instrument_is_upper_cased(text: str, expected: str) -> None:
    assert normalize_instrument(text) == expected
    assert normalize_instrument(expected) == expected


@pytest.mark.parametrize("text", ["", "A" * 33, "EUR USD", "EUR\n", "A\0", "straße", "\u0131", "\u017f", "A%2FB"])
def test_an_invalid_instrument_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="1-32 of A-Z 0-9"):
        normalize_instrument(text)


def test_timeframes_are_listed_from_the_shortest_to_the_longest() -> None:
    assert [*TIMEFRAME_SECONDS.values()] == sorted(TIMEFRAME_SECONDS.values())
    assert TIMEFRAME_SECONDS["1h"] == 3_600
