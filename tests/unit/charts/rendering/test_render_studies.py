"""Studies, tags and titles: RSI, logarithmic volume by price, Heikin-Ashi's last price, aggregated timeframes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.charts.domain import Bollinger, MovingAverage, RsiPanel, VolumePanel, VolumeProfile, Vwap
from app.charts.rendering import engine
from app.charts.rendering.canvas.color import parse
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.errors import RenderError
from app.charts.rendering.frame.header import timeframe_pair
from app.market.domain import Bars
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, some_bars, where

HOUR_MS = 3_600_000


def bars_of(closes):
    count = len(closes)
    return Bars(tuple(START_MS + DAY_MS * index for index in range(count)), *((tuple(closes),) * 4), (100.0,) * count)


def rsi_plot(closes, **changes):
    plan = plan_price(a_spec(data=bars_of(closes), panels=(RsiPanel(5),), **changes))
    return plan, plan.plots[1]


def test_the_scale_of_an_rsi_fits_values_near_the_middle():
    _, plot = rsi_plot([100 + index % 2 for index in range(60)])
    assert 10 < plot.y.low < 30
    assert 70 < plot.y.high < 100


def test_the_scale_of_an_rsi_reaches_extreme_values_and_not_beyond():
    plan, _ = rsi_plot([100.0 + index for index in range(60)])
    assert plan.panels[0].high == 100
    assert plan.panels[0].low == 25
    plan, _ = rsi_plot([200.0 - index for index in range(60)])
    assert (plan.panels[0].low, plan.panels[0].high) == (0, 75)


@pytest.mark.parametrize("height", [220, 300, 400, 675, 1500])
@pytest.mark.parametrize("scale", [1, 2])
def test_an_rsi_shows_and_labels_30_and_70_at_every_size(height, scale):
    closes = [100 + 10 * np.sin(index / 3) for index in range(60)]
    spec = a_spec(data=bars_of(closes), panels=(RsiPanel(5),), height=height, scale=scale, format="svg")
    assert len(plan_price(spec).panels) == 1
    svg = engine.render(spec).data.decode()
    assert ">30</text>" in svg
    assert ">70</text>" in svg


def test_a_panel_is_at_least_56_design_pixels_high_or_left_out():
    for height in range(120, 700, 20):
        plan = plan_price(a_spec(height=height, panels=(VolumePanel(), RsiPanel(5), VolumePanel())))
        assert all(plot.box.height >= plan.sizes.px(56) for plot in plan.plots[1:])


def test_rows_of_a_volume_profile_are_equally_high_on_a_logarithmic_axis():
    closes = [1.02**index for index in range(200)]
    spec = a_spec(data=bars_of(closes), y_scale="log", overlays=(VolumeProfile(10, color="#ff00ff"),), format="svg")
    svg = engine.render(spec).data.decode()
    path = next(part for part in svg.split("<path ") if '#ff00ff" fill-opacity="0.34"' in part)
    heights = [int(part.split("v")[1].split("h")[0]) for part in path.split("M")[1:]]
    assert max(heights) - min(heights) <= 1


def test_the_last_price_of_heikin_ashi_is_the_markets_close():
    bars = some_bars()
    spec, close = a_spec(type="heikin_ashi", data=bars, format="svg"), bars.close[-1]
    plan = plan_price(spec)
    [last] = plan.tags.placed
    assert last.text == f"{close:.2f}"
    assert last.tag.y == pytest.approx(plan.plots[0].y.at(close))
    assert f"close {close:.2f}" in engine.render(spec).alt
    assert float(plan.data.full.close[-1]) != close


@pytest.mark.parametrize(
    ("timeframe", "factor", "drawn"),
    [("1h", 4, "4h"), ("15m", 4, "1h"), ("5m", 7, "35m"), ("1d", 7, "7d"), ("1h", 48, "48h"), ("1h", 1, "1h")],
)
def test_the_timeframe_of_several_bars_in_one(timeframe, factor, drawn):
    assert timeframe_pair(a_spec(timeframe=timeframe), HOUR_MS, factor) == (timeframe, drawn)


def test_a_timeframe_of_another_form_stays():
    assert timeframe_pair(a_spec(timeframe="range 10"), HOUR_MS, 4) == ("range 10", "range 10")


@pytest.mark.parametrize("timeframe", ["1h", ""])
def test_a_title_says_the_timeframe_that_is_drawn(timeframe):
    bars = some_bars(1100, step=HOUR_MS)
    spec = a_spec(data=bars, title="EURUSD 1h", timeframe=timeframe, format="svg", width=700)
    factor = plan_price(spec).data.factor
    assert factor > 1
    svg = engine.render(spec).data.decode()
    assert f">EURUSD {factor}h</text>" in svg
    assert ">1h</text>" not in svg


def test_the_timeframe_beside_the_title_is_the_one_drawn():
    bars = some_bars(1100, step=HOUR_MS)
    spec = a_spec(data=bars, title="Euro", timeframe="1h", format="svg", width=700)
    assert f">{plan_price(spec).data.factor}h</text>" in engine.render(spec).data.decode()


def test_a_title_of_bars_that_are_not_aggregated_stays_the_same():
    svg = engine.render(a_spec(title="A 1d and 4h idea", format="svg")).data.decode()
    assert ">A 1d and 4h idea</text>" in svg


@pytest.mark.parametrize(
    "overlay",
    [MovingAverage("ema", 5), Bollinger(5), Vwap(), VolumeProfile(12)],
    ids=lambda overlay: overlay.kind,
)
def test_an_overlay_is_drawn_in_its_own_colour(overlay):
    magenta = replace(overlay, color="#ff00ff")
    assert where(pixels(a_spec(overlays=(magenta,))), (255, 0, 255)).any()
    assert not where(pixels(a_spec(overlays=(overlay,))), (255, 0, 255)).any()


@pytest.mark.parametrize("overlay", [MovingAverage("ema", 5), Bollinger(5), Vwap()], ids=lambda overlay: overlay.kind)
def test_an_overlay_has_the_width_it_gives(overlay):
    thin = pixels(a_spec(overlays=(replace(overlay, color="#ff00ff", width=1.0),), width=1200, height=675))
    thick = pixels(a_spec(overlays=(replace(overlay, color="#ff00ff", width=6.0),), width=1200, height=675))
    assert where(thick, (255, 0, 255)).sum() > 4 * max(where(thin, (255, 0, 255)).sum(), 50)


def test_a_width_is_scaled_with_the_picture():
    spec = a_spec(overlays=(MovingAverage("sma", 5, "#ff00ff", 4.0),), format="svg")
    assert 'stroke="#ff00ff" stroke-width="4"' in engine.render(spec).data.decode()
    assert 'stroke="#ff00ff" stroke-width="8"' in engine.render(replace(spec, scale=2)).data.decode()


def test_overlays_after_one_with_its_own_colour_keep_theirs():
    plan = plan_price(a_spec(overlays=(MovingAverage("sma", 5, "#ff00ff"), MovingAverage("sma", 6))))
    assert [study.legend.swatch for study in plan.overlays] == [parse("#ff00ff"), plan.theme.lines[1]]


def test_a_colour_that_is_none_is_an_error_with_a_pointer():
    with pytest.raises(RenderError) as refused:
        engine.render(a_spec(overlays=(Vwap(), MovingAverage("sma", 5, "red"))))
    assert refused.value.pointer == "/overlays/1/color"
