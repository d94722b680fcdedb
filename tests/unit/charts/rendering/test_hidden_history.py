"""Hidden bars before the first shown one: they affect the values of indicators, and nothing else of the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import talib

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    ChartSpec,
    DrawdownPanel,
    HLine,
    MacdPanel,
    MovingAverage,
    RsiPanel,
    SignalMark,
    VolumePanel,
    VolumeProfile,
    Vwap,
)
from app.charts.history import MAX_HIDDEN, bars_needed
from app.charts.rendering import engine
from app.charts.rendering.charts.price_plan import PricePlan, plan_price
from app.market.csv_files import read_bars
from app.market.domain import Bars
from config import ROOT
from tests.unit.charts.rendering.chart_builders import some_bars

GOOGLE = read_bars(ROOT / "examples" / "data" / "goog_1d.csv")
CLOSE = np.array(GOOGLE.close)
EMA = MovingAverage("ema", 50)
# Begun anywhere, an average of n periods keeps e^-8 of its seed's error after 4 n bars: of prices that lie within 200
# of one another in those bars no more than 0.07.
TOLERANCE = 200 * np.exp(-8)
WHOLE_SERIES = 757.68


def last(bars: Bars, count: int) -> Bars:
    part = slice(-count, None)
    volume = None if bars.volume is None else bars.volume[part]
    return Bars(bars.time[part], bars.open[part], bars.high[part], bars.low[part], bars.close[part], volume)


def a_chart(visible: int, hidden: int, **changes) -> ChartSpec:
    """The last bars of GOOG, as many as are shown and those hidden before them."""
    spec = ChartSpec("candlestick", last(GOOGLE, visible + hidden), visible=visible if hidden else None, timeframe="1d")
    return replace(spec, **changes)


def legend(plan: PricePlan) -> dict[str, list[str]]:
    return {study.legend.spans[0][0]: [text for text, _ in study.legend.spans[1:]] for study in plan.overlays}


def panels(plan: PricePlan) -> dict[str, list[str]]:
    return {study.legend.spans[0][0]: [text for text, _ in study.legend.spans[1:]] for study in plan.panels}


@pytest.mark.parametrize("visible", [60, 120, 200])
def test_an_average_with_history_does_not_depend_on_how_many_bars_are_shown(visible):
    hidden = bars_needed([EMA], [], "1d")
    assert hidden == 200
    shown = legend(plan_price(a_chart(visible, hidden, overlays=(EMA,))))
    assert abs(float(shown["EMA 50"][0]) - talib.EMA(CLOSE, 50)[-1]) < TOLERANCE
    assert shown == {"EMA 50": [f"{WHOLE_SERIES}"]}


def test_without_history_it_does():
    shown = [legend(plan_price(a_chart(visible, 0, overlays=(EMA,))))["EMA 50"] for visible in (60, 120)]
    assert shown == [["753.03"], ["759.03"]]


def test_every_indicator_is_what_ta_lib_says_of_the_whole_series():
    high, low = np.array(GOOGLE.high), np.array(GOOGLE.low)
    overlays = (MovingAverage("sma", 50), MovingAverage("wma", 50), Bollinger(50))
    parts = (RsiPanel(14), AtrPanel(14), MacdPanel(12, 26, 9))
    plan = plan_price(a_chart(60, bars_needed(overlays, parts, "1d"), overlays=overlays, panels=parts))
    upper, middle, lower = (f"{band[-1]:.2f}" for band in talib.BBANDS(CLOSE, 50, 2, 2))
    assert legend(plan) == {
        "SMA 50": [f"{talib.SMA(CLOSE, 50)[-1]:.2f}"],
        "WMA 50": [f"{talib.WMA(CLOSE, 50)[-1]:.2f}"],
        "BB 50, 2": [upper, middle, lower],
    }
    line, signal, _ = talib.MACD(CLOSE, 12, 26, 9)
    shown = panels(plan)
    assert shown["RSI 14"] == [f"{talib.RSI(CLOSE, 14)[-1]:.2f}"]
    assert float(shown["ATR 14"][0]) == pytest.approx(talib.ATR(high, low, CLOSE, 14)[-1], abs=0.01)
    assert [float(text) for text in shown["MACD 12, 26, 9"]] == pytest.approx([line[-1], signal[-1]], abs=0.01)


def test_an_average_longer_than_what_is_shown_is_drawn_from_the_first_bar_on():
    plan = plan_price(a_chart(30, 200, overlays=(EMA,)))
    assert plan.overlays[0].warning == ""
    assert plan_price(a_chart(30, 0, overlays=(EMA,))).overlays[0].warning


def test_hidden_bars_change_nothing_but_indicators():
    marks = (SignalMark("buy", GOOGLE.time[-10]), HLine(CLOSE[-5]), SignalMark("buy", GOOGLE.time[-100]))
    parts = (VolumePanel(), DrawdownPanel())
    more = {"overlays": (VolumeProfile(24),), "panels": parts, "annotations": marks, "instrument": "GOOG"}
    with_history, alone = (engine.render(a_chart(60, hidden, **more)) for hidden in (300, 0))
    assert with_history.data == alone.data
    assert with_history.alt == alone.alt
    assert "60 bars" in with_history.alt
    assert with_history.warnings == alone.warnings
    assert any("annotation 2 (signal) lies outside" in warning for warning in alone.warnings)


@pytest.mark.parametrize("chart_type", ["candlestick", "ohlc", "line", "area", "renko"])
def test_every_type_shows_the_visible_bars_alone(chart_type):
    with_history, alone = (engine.render(a_chart(90, hidden, type=chart_type)) for hidden in (200, 0))
    assert with_history.data == alone.data


def test_heikin_ashi_candles_know_the_past_too():
    plan = plan_price(a_chart(5, 200, type="heikin_ashi"))
    whole = plan_price(replace(a_chart(5, 0, type="heikin_ashi"), data=GOOGLE))
    assert plan.data.full.open == pytest.approx(whole.data.full.open[-5:], abs=1e-6)


def test_a_vwap_begins_with_the_session_of_the_first_visible_bar():
    hours = some_bars(100, step=3_600_000)
    whole = plan_price(ChartSpec("line", hours, overlays=(Vwap(),)))
    part = plan_price(ChartSpec("line", last(hours, 40), overlays=(Vwap(),), visible=16))
    alone = plan_price(ChartSpec("line", last(hours, 16), overlays=(Vwap(),)))
    values = [plan.overlays[0].draw.keywords["values"][-16:] for plan in (whole, part, alone)]  # type: ignore[union-attr]
    assert values[1] == pytest.approx(values[0])
    assert values[2][0] != pytest.approx(values[0][0])


def test_coarser_bars_take_their_values_from_the_visible_ones():
    spec = replace(a_chart(600, 150, overlays=(EMA,)), width=240, height=200)
    plan = plan_price(spec)
    assert plan.data.factor > 1
    values = plan.overlays[0].draw.keywords["values"]  # type: ignore[union-attr]
    assert len(values) == 600
    assert len(plan.data.sample(values)) == len(plan.data.shown)


@pytest.mark.parametrize(
    ("overlays", "parts", "timeframe", "needed"),
    [
        ([], [VolumePanel(), DrawdownPanel()], "1d", 0),
        ([MovingAverage("sma", 20)], [], "1d", 20),
        ([Bollinger(30)], [], "1d", 30),
        ([EMA], [RsiPanel(14)], "1d", 200),
        ([], [RsiPanel(14)], "1d", 140),
        ([], [AtrPanel(7)], "1d", 70),
        ([], [MacdPanel(12, 26, 9)], "1d", 140),
        ([Vwap()], [], "5m", 288),
        ([Vwap()], [], "1d", 0),
        ([Vwap()], [], "1m", MAX_HIDDEN),
        ([MovingAverage("ema", 5_000)], [], "1d", MAX_HIDDEN),
    ],
)
def test_the_history_is_as_long_as_the_slowest_indicator_needs(overlays, parts, timeframe, needed):
    assert bars_needed(overlays, parts, timeframe) == needed
