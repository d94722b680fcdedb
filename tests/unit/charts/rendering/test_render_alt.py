from __future__ import annotations

from app.charts.domain import EquityCurve, OrderMark, Sample, SignalMark
from app.charts.rendering import engine
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, one_bar, some_bars


def alt_of(**changes):
    return engine.render(a_spec(**changes)).alt


def test_a_price_chart_tells_span_close_change_and_signals():
    signals = (SignalMark("buy", START_MS + DAY_MS), SignalMark("sell", START_MS + 5 * DAY_MS, 101.5))
    assert alt_of(annotations=signals) == (
        "TEST 1d: Candlestick chart, 60 bars from 1 Jan 2024 to 29 Feb 2024, close 118.40, up 18.99%, "
        "buy at 101.89, sell at 101.50."
    )


def test_the_alternative_text_names_an_order_once_with_its_side_and_all_levels():
    time = START_MS + 59 * DAY_MS + 5
    order = OrderMark("sell", 118.0, time, stop=120.0, targets=(115.0, 114.0))
    assert alt_of(annotations=(order, SignalMark("sell", time, 118.0))).endswith(
        ", sell at 118.00, stop 120.00 (+1.69%), target 1 at 115.00 (\N{MINUS SIGN}2.54%, 1.5R), "
        "target 2 at 114.00 (\N{MINUS SIGN}3.39%, 2.0R)."
    )


def test_the_alternative_text_names_missing_parts():
    alt = alt_of(annotations=(SignalMark("buy", START_MS - DAY_MS),))
    assert alt.endswith(". Note: annotation 0 (signal) lies outside the bars and is not drawn.")


def test_a_title_stands_in_for_the_instrument():
    assert alt_of(title="My chart").startswith("My chart: Candlestick chart")


def test_a_single_bar_is_of_one_day():
    assert "1 bar of 1 Jan 2024, close 99, down 1.00%" in alt_of(data=one_bar(100.0, 101.0, 98.0, 99.0))


def test_many_signals_are_counted():
    signals = tuple(SignalMark("buy", START_MS + DAY_MS * day) for day in range(8))
    assert alt_of(annotations=signals).endswith("5 more signals.")


def test_a_renko_chart_names_its_brick():
    assert "brick " in alt_of(type="renko")


def test_an_equity_chart_tells_its_drawdowns_with_dates():
    equity = EquityCurve(tuple(START_MS + DAY_MS * day for day in range(6)), (100.0, 120.0, 90.0, 95.0, 121.0, 118.0))
    assert alt_of(type="equity", data=equity, instrument="", timeframe="") == (
        "Equity chart, 6 values from 1 Jan 2024 \N{EN DASH} 6 Jan 2024, equity 118, up 18.00%, deepest drawdown 25.00% "
        "(peak 2 Jan 2024, trough 3 Jan 2024, recovered 5 Jan 2024), longest drawdown 3 days from 2 Jan 2024."
    )


def test_an_equity_curve_that_never_falls_tells_of_no_drawdown():
    equity = EquityCurve((START_MS, START_MS + DAY_MS), (100.0, 101.0))
    assert "drawdown" not in alt_of(type="equity", data=equity)


def test_a_histogram_tells_count_range_and_centre():
    alt = alt_of(type="histogram", data=Sample((1.0, 2.0, 6.0)), bins=5)
    assert "Histogram of 3 values in 5 bins, from 1.000 to 6.000, mean 3.000, median 2.000." in alt


def test_the_alternative_text_gives_times_in_the_time_zone_of_the_chart():
    hourly = some_bars(5, step=3_600_000, start=START_MS + 3_600_000)
    assert "from 31 Dec 2023 20:00 to 1 Jan 2024 00:00" in alt_of(data=hourly, timezone="America/New_York")
