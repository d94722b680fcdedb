"""Parts of a spec that its image does not show are named in its warnings, and main parts in its alternative text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    DrawdownPanel,
    MacdPanel,
    MovingAverage,
    RsiPanel,
    SignalMark,
    VLine,
    VolumePanel,
    VolumeProfile,
    Vwap,
)
from app.charts.rendering import engine
from app.charts.rendering.charts.omissions import not_drawn, omissions
from app.charts.rendering.charts.price_plan import plan_price
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, data_for, some_bars

PANELS = (VolumePanel(), RsiPanel(5), MacdPanel(3, 6, 3), AtrPanel(5), DrawdownPanel())
OVERLAYS = tuple(MovingAverage("sma", period) for period in range(5, 15))


def price_warnings(**changes):
    return engine.render(a_spec(**changes)).warnings


def test_panels_left_out_are_named_in_warnings_and_alt():
    image = engine.render(a_spec(height=260, panels=PANELS))
    (warning,) = (warning for warning in image.warnings if "panels" in warning)
    assert "too low for 3 of 5 panels, not drawn: MACD 3, 6, 3; ATR 5; Drawdown" in warning
    assert image.alt.endswith("Not drawn: MACD 3, 6, 3; ATR 5; Drawdown.")


def test_legends_without_room_are_named():
    (warning,) = price_warnings(overlays=OVERLAYS, width=420)
    assert warning.startswith("there is no room in the header for: SMA ")
    assert warning.endswith("SMA 14")


def test_prices_of_the_header_that_give_way_are_named():
    warnings = price_warnings(width=230, height=200, title="T")
    assert any("open; high; low" in warning for warning in warnings)


def test_a_title_that_is_cut_is_quoted_and_the_alt_text_has_it_whole():
    title = "A title that goes on and on " * 6
    image = engine.render(a_spec(title=title))
    assert any(warning.startswith('the title is cut to "A title') for warning in image.warnings)
    assert any("dates" in warning for warning in image.warnings)
    assert title in image.alt


def test_the_timeframe_stays_beside_a_title_that_is_cut():
    title = "A title that goes on and on " * 6
    svg = engine.render(a_spec(title=title, timeframe="4h", format="svg")).data.decode()
    assert ">4h</text>" in svg


def test_a_picture_without_a_header_names_all_of_it():
    (warning,) = (one for one in price_warnings(height=90) if "header" in one)
    assert warning == "there is no room in the header for: title; timeframe; dates; open; high; low; close; change"


def test_axes_without_room_are_named():
    assert "the picture is too low for a time axis" in price_warnings(height=70)
    assert "the picture is too narrow for a price axis" in price_warnings(width=100)


@pytest.mark.parametrize("chart_type", ["equity", "histogram"])
def test_the_legends_of_other_charts_are_named_too(chart_type):
    warnings = price_warnings(type=chart_type, data=data_for(chart_type, some_bars()), width=160, height=160)
    assert any("no room in the header for" in warning for warning in warnings)


def test_captions_without_room_are_named():
    moments = tuple(VLine(START_MS + 30 * DAY_MS, f"Moment {number}") for number in range(20))
    warnings = price_warnings(annotations=moments)
    assert 8 <= len(warnings) <= 14
    assert warnings == tuple(
        f'there is no room for the label "Moment {number}"' for number in range(20 - len(warnings), 20)
    )


def test_names_of_signals_without_room_are_named():
    signals = tuple(SignalMark("buy", START_MS + 30 * DAY_MS, None, f"Signal {number}") for number in range(30))
    assert any('the label "Signal' in warning for warning in price_warnings(annotations=signals))


def test_the_legend_of_a_panel_that_is_cut_is_named():
    warnings = price_warnings(width=130, height=400, panels=(MacdPanel(3, 6, 3),))
    assert "there is no room for the legend of MACD 3, 6, 3" in warnings


def test_an_overlay_far_from_the_prices_shown_is_named_in_warnings_and_alt():
    plan = plan_price(a_spec(overlays=(MovingAverage("sma", 5), MovingAverage("ema", 5))))
    far = replace(plan.overlays[1], low=900.0, high=950.0)
    plan = replace(plan, overlays=(plan.overlays[0], far))
    assert omissions(plan) == ["EMA 5 lies outside the prices shown and is not seen"]
    assert not_drawn(plan) == ["EMA 5"]


def test_an_overlay_without_values_is_named_in_the_alt_text():
    image = engine.render(a_spec(overlays=(MovingAverage("sma", 100), Bollinger(90), Vwap(), VolumeProfile())))
    assert image.alt.endswith("Not drawn: SMA 100; BB 90, 2.")


def test_a_picture_with_room_for_all_warns_of_nothing():
    image = engine.render(a_spec(width=1200, height=800, overlays=OVERLAYS, panels=PANELS))
    assert image.warnings == ()
    assert "Not drawn" not in image.alt
