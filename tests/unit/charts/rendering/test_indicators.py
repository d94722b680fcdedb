"""Indicators against TA-Lib, published reference values, cases worked out by hand and properties."""

from __future__ import annotations

from datetime import datetime
from time import perf_counter
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.charts.rendering.analysis import indicators

EXACT = 1e-9
PERIODS = (2, 3, 7, 14, 20, 50, 199)
REFERENCE_CLOSES = (
    "44.3389 44.0902 44.1497 43.6124 44.3278 44.8264 45.0955 45.4245 45.8433 46.0826 "
    "45.8931 46.0328 45.6140 46.2820 46.2820 46.0028 46.0328 46.4116 46.2222 45.6439"
)
REFERENCE_RSI = [70.53, 66.32, 66.55, 69.41, 66.36, 57.97]

prices = arrays(np.float64, st.integers(1, 120), elements=st.floats(0.01, 1e6))
periods = st.integers(2, 40)


def walk(size: int = 600, start: float = 100.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    close = start * np.exp(np.cumsum(random.normal(0, 0.015, size)))
    opening = np.append(start, close[:-1])
    return {
        "open": opening,
        "high": np.maximum(opening, close) * (1 + random.random(size) * 0.01),
        "low": np.minimum(opening, close) * (1 - random.random(size) * 0.01),
        "close": close,
        "volume": random.integers(0, 10**7, size).astype(np.float64),
    }


def assert_same(ours: np.ndarray, oracle: np.ndarray) -> None:
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(oracle))
    np.testing.assert_allclose(ours, oracle, rtol=EXACT, atol=EXACT)


def instants(zone: str, *moments: str) -> np.ndarray:
    local = [datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)) for moment in moments]
    return np.array([round(moment.timestamp() * 1000) for moment in local], dtype=np.int64)


@pytest.mark.parametrize("period", PERIODS)
@pytest.mark.parametrize("start", [1e-4, 100.0, 1e7])
def test_the_averages_equal_ta_lib(period, start):
    close = walk(start=start)["close"]
    scale = start / 100.0
    for ours, oracle in (
        (indicators.sma, talib.SMA),
        (indicators.ema, talib.EMA),
        (indicators.wma, talib.WMA),
    ):
        assert_same(ours(close, period) / scale, oracle(close, period) / scale)


@pytest.mark.parametrize("period", PERIODS)
def test_the_bollinger_bands_equal_ta_lib(period):
    close = walk()["close"]
    upper, middle, lower = talib.BBANDS(close, period, 2.5, 2.5)
    for ours, oracle in zip(indicators.bollinger(close, period, 2.5), (lower, middle, upper), strict=True):
        assert_same(ours, oracle)


@pytest.mark.parametrize("period", PERIODS)
def test_the_rsi_equals_ta_lib(period):
    close = walk()["close"]
    assert_same(indicators.rsi(close, period), talib.RSI(close, period))


@pytest.mark.parametrize("period", [1, *PERIODS])
def test_the_atr_equals_ta_lib(period):
    bars = walk()
    ours = indicators.atr(bars["high"], bars["low"], bars["close"], period)
    assert_same(ours, talib.ATR(bars["high"], bars["low"], bars["close"], period))


@pytest.mark.parametrize(("fast", "slow", "signal"), [(12, 26, 9), (3, 10, 16), (2, 3, 1), (50, 199, 30)])
def test_the_macd_equals_ta_lib(fast, slow, signal):
    close = walk()["close"]
    for ours, oracle in zip(
        indicators.macd(close, fast, slow, signal), talib.MACD(close, fast, slow, signal), strict=True
    ):
        assert_same(ours, oracle)


def test_the_rsi_gives_the_published_reference_values():
    close = np.array([float(text) for text in REFERENCE_CLOSES.split()])
    assert indicators.rsi(close, 14)[14:].round(2).tolist() == REFERENCE_RSI


def test_the_rsi_of_a_market_that_does_not_move_is_neutral():
    assert indicators.rsi(np.full(20, 1.1), 14)[14:].tolist() == [50.0] * 6


def test_the_rsi_of_a_market_that_only_rises_is_100_and_that_only_falls_is_0():
    rising = np.arange(1.0, 31.0)
    assert indicators.rsi(rising, 14)[-1] == 100.0
    assert indicators.rsi(rising[::-1], 14)[-1] == 0.0


def test_indicators_of_a_flat_market_are_exactly_flat():
    close = np.full(200, 0.1)
    lower, middle, upper = indicators.bollinger(close, 20, 2.0)
    assert np.ptp(indicators.ema(close, 20)[19:]) == 0.0
    assert np.ptp(upper[19:]) == np.ptp(lower[19:]) == np.ptp(middle[19:])
    assert not np.any(indicators.macd(close, 12, 26, 9)[0][33:])


def test_a_huge_price_leaves_no_trace_once_it_is_out_of_the_window():
    close = np.concatenate(([1e12], np.full(60, 0.01)))
    lower, middle, upper = indicators.bollinger(close, 20, 2.0)
    np.testing.assert_allclose(middle[20:], 0.01, rtol=1e-12)
    assert lower[20:].tolist() == middle[20:].tolist() == upper[20:].tolist()
    np.testing.assert_allclose(indicators.wma(close, 20)[20:], 0.01, rtol=1e-12)


@pytest.mark.parametrize("size", [0, 1, 5])
def test_fewer_bars_than_the_period_give_no_value_at_all(size):
    bars = {name: column[:size] for name, column in walk().items()}
    close = bars["close"]
    results = [
        indicators.sma(close, 6),
        indicators.ema(close, 6),
        indicators.wma(close, 6),
        *indicators.bollinger(close, 6, 2.0),
        *indicators.macd(close, 3, 6, 2),
        indicators.rsi(close, 6),
        indicators.atr(bars["high"], bars["low"], close, 6),
    ]
    assert all(len(result) == size and np.isnan(result).all() for result in results)


def test_vwap_is_the_volume_weighted_typical_price_of_the_day_so_far():
    time = instants("UTC", "2024-05-01T10:00", "2024-05-01T11:00", "2024-05-02T10:00", "2024-05-02T11:00")
    high, low, close = np.array([12.0, 15, 20, 30]), np.array([9.0, 9, 10, 30]), np.array([9.0, 12, 15, 30])
    volume = np.array([100.0, 300, 0, 50])
    result = indicators.vwap(time, high, low, close, volume, "UTC")
    np.testing.assert_array_equal(result, [10.0, (10 * 100 + 12 * 300) / 400, np.nan, 30.0])


def test_a_vwap_session_begins_at_local_midnight_on_both_sides_of_a_clock_change():
    zone = "America/New_York"  # clocks went forward on Sunday 10 March 2024: midnight moved from 05:00 to 04:00 UTC
    time = instants(
        zone,
        *("2024-03-08T23:00", "2024-03-09T00:00", "2024-03-09T23:00"),
        *("2024-03-10T00:00", "2024-03-10T01:00", "2024-03-10T03:00", "2024-03-10T23:00"),
        *("2024-03-11T00:00", "2024-03-11T01:00"),
    )
    price = np.arange(1.0, 10.0)
    result = indicators.vwap(time, price, price, price, np.ones(9), zone)
    assert result.tolist() == [1.0, 2.0, 2.5, 4.0, 4.5, 5.0, 5.5, 8.0, 8.5]
    in_utc = indicators.vwap(time, price, price, price, np.ones(9), "UTC")
    assert in_utc.tolist() != result.tolist()


def test_a_vwap_session_is_25_hours_long_when_clocks_go_back():
    zone = "Europe/Berlin"
    first = int(instants(zone, "2024-10-27T00:00")[0])
    time = first + np.arange(26, dtype=np.int64) * 3_600_000
    price = np.arange(26.0)
    result = indicators.vwap(time, price, price, price, np.ones(26), zone)
    assert result[24] == 12.0
    assert result[25] == 25.0


def test_the_vwap_of_daily_bars_runs_on_from_the_first_bar():
    time = instants("Europe/Berlin", "2024-03-30T00:00", "2024-03-31T00:00", "2024-04-01T00:00")
    price = np.array([1.0, 2.0, 6.0])
    assert indicators.vwap(time, price, price, price, np.ones(3), "Europe/Berlin").tolist() == [1.0, 1.5, 3.0]


def test_vwap_is_undefined_where_nothing_was_traded():
    time = instants("UTC", "2024-05-01T10:00", "2024-05-01T11:00")
    price = np.ones(2)
    assert np.isnan(indicators.vwap(time, price, price, price, np.zeros(2), "UTC")).all()


def test_a_drawdown_counts_from_the_start_capital():
    equity = np.array([100.0, 90.0, 120.0, 60.0, 120.0])
    np.testing.assert_allclose(indicators.drawdown(equity), [0.0, -0.1, 0.0, -0.5, 0.0])


def test_the_summary_has_the_maximum_drawdown_and_the_one_of_maximum_duration():
    equity = np.array([100.0, 110, 110, 100, 105, 108, 112, 56, 112, 100])
    days = np.arange(10, dtype=np.int64)
    summary = indicators.drawdown_summary(days, equity)
    assert summary == indicators.DrawdownSummary(-0.5, peak=6, trough=7, recovery=8, max_duration_span=(2, 6))


def test_the_duration_of_a_drawdown_is_measured_in_time_not_in_bars():
    equity = np.array([100.0, 90, 100, 90, 90, 100])
    time = np.array([0, 50, 100, 110, 120, 130], dtype=np.int64)
    assert indicators.drawdown_summary(time, equity).max_duration_span == (0, 2)


def test_a_drawdown_that_has_not_ended_has_no_recovery_and_lasts_to_the_end():
    summary = indicators.drawdown_summary(np.arange(3, dtype=np.int64), np.array([100.0, 120.0, 90.0]))
    assert (summary.peak, summary.trough, summary.recovery, summary.max_duration_span) == (1, 2, None, (1, 2))


@pytest.mark.parametrize("equity", [[100.0], [100.0, 100.0, 101.0], [-5.0, -4.0]])
def test_a_curve_that_never_falls_has_no_drawdown(equity):
    summary = indicators.drawdown_summary(np.arange(len(equity), dtype=np.int64), np.array(equity))
    assert summary == indicators.DrawdownSummary(0.0, peak=0, trough=0, recovery=0, max_duration_span=None)


def test_a_drawdown_from_nothing_or_less_is_undefined():
    np.testing.assert_array_equal(indicators.drawdown(np.array([-1.0, 0.0, 2.0, 1.0])), [np.nan, np.nan, 0.0, -0.5])


@given(prices, periods)
@settings(deadline=None)
def test_an_average_stays_within_the_prices_it_is_made_of(close, period):
    for average in (indicators.sma, indicators.ema, indicators.wma):
        shown = average(close, period)[period - 1 :]
        assert np.all(shown <= close.max() * (1 + EXACT))
        assert np.all(shown >= close.min() * (1 - EXACT))


@given(prices, periods)
@settings(deadline=None)
def test_the_bands_are_the_deviation_numpy_computes(close, period):
    lower, middle, upper = indicators.bollinger(close, period, 1.0)
    for end in range(period, len(close) + 1):
        window = close[end - period : end]
        assert middle[end - 1] == pytest.approx(window.mean(), rel=EXACT)
        assert (upper - lower)[end - 1] / 2 == pytest.approx(window.std(), rel=1e-6, abs=window.max() * 1e-9)


@given(prices, periods)
@settings(deadline=None)
def test_the_rsi_stays_between_0_and_100(close, period):
    shown = indicators.rsi(close, period)[period:]
    assert np.all((shown >= 0.0) & (shown <= 100.0))


@given(prices)
@settings(deadline=None)
def test_a_drawdown_is_never_above_zero_nor_below_a_total_loss(equity):
    fall = indicators.drawdown(equity)
    summary = indicators.drawdown_summary(np.arange(len(equity), dtype=np.int64), equity)
    assert np.all((fall <= 0.0) & (fall >= -1.0))
    assert summary.max_drawdown == fall.min()
    assert summary.peak <= summary.trough
    assert equity[summary.trough] <= equity[summary.peak]


def test_twenty_thousand_values_take_a_few_milliseconds_at_most():
    bars = walk(20_000)
    fastest = min(_seconds(bars) for _ in range(5))
    assert fastest < 0.05, f"{fastest * 1000:.1f} ms for five recursive indicators"


def _seconds(bars: dict[str, np.ndarray]) -> float:
    begin = perf_counter()
    indicators.ema(bars["close"], 20)
    indicators.rsi(bars["close"], 14)
    indicators.macd(bars["close"], 12, 26, 9)
    indicators.atr(bars["high"], bars["low"], bars["close"], 14)
    return perf_counter() - begin
