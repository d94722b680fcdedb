"""Texts on images: one tag per price, short numbers, one notation, labels beside lines."""

from __future__ import annotations

import math
from dataclasses import replace
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from app.charts.domain import (
    AtrPanel,
    ChartSpec,
    EquityCurve,
    HLine,
    MacdPanel,
    OrderMark,
    Sample,
    VLine,
    VolumePanel,
)
from app.charts.rendering import engine
from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.text import width
from app.charts.rendering.charts.equity import plan_equity
from app.charts.rendering.charts.histogram import plan_histogram
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.errors import RenderError
from app.charts.rendering.plotting.theme import LIGHT
from app.market.domain import Bars
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, some_bars, where

SVG = "{http://www.w3.org/2000/svg}"
LAST = some_bars().close[-1]


def texts_of(spec):
    """Every text with its left end and its baseline."""
    root = ET.fromstring(engine.render(replace(spec, format="svg")).data)  # noqa: S314 - drawn by the engine itself
    return [(one.text or "", float(one.get("x", 0)), float(one.get("y", 0))) for one in root.iter(f"{SVG}text")]


def tags_of(spec):
    return [placed.text for placed in plan_price(spec).tags.placed]


def wave(factor, count=120):
    close = [factor * (100 + 5 * math.sin(row / 6) + row / 9) for row in range(count)]
    opened = [close[0], *close[:-1]]
    high = [1.004 * max(pair) for pair in zip(opened, close, strict=True)]
    low = [0.996 * min(pair) for pair in zip(opened, close, strict=True)]
    time = tuple(START_MS + DAY_MS * row for row in range(count))
    return Bars(time, tuple(opened), tuple(high), tuple(low), tuple(close), (1.0,) * count)


def curve(*equity):
    return EquityCurve(tuple(START_MS + DAY_MS * row for row in range(len(equity))), equity)


def test_a_line_at_the_last_close_has_no_second_tag():
    (tag,) = tags_of(a_spec(annotations=(HLine(LAST), HLine(LAST, "again"))))
    assert float(tag) == LAST


def test_two_lines_at_one_price_share_a_tag():
    tags = tags_of(a_spec(annotations=(HLine(104.0, "one"), HLine(104.0, "two"))))
    assert len(tags) == len(set(tags)) == 2


def test_the_last_close_shares_the_tag_of_an_entry_on_heikin_ashi_too():
    order = OrderMark("buy", LAST, some_bars().time[-1], stop=LAST - 1, targets=(LAST + 1,))
    tags = tags_of(a_spec(type="heikin_ashi", annotations=(order,)))
    assert sum(f"{LAST:.2f}" in tag for tag in tags) == 1


@pytest.mark.parametrize("factor", [1e6, 7.3e9, 1e13])
def test_panels_of_huge_prices_have_short_numbers(factor):
    plan = plan_price(a_spec(data=wave(factor), panels=(AtrPanel(), MacdPanel())))
    for panel, plot in zip(plan.panels, plan.plots[1:], strict=True):
        assert all(len(text) <= 9 for text in map(panel.label_format(plot.ticks), plot.ticks))
        assert all(len(text) <= 10 for text, _ in panel.legend.spans[1:])


@pytest.mark.parametrize("factor", [1e-9, 1.0, 731.0, 1e13])
@pytest.mark.parametrize("height", [360, 450, 600])
def test_a_panel_has_two_labels_or_more(factor, height):
    spec = a_spec(data=wave(factor), panels=(MacdPanel(), AtrPanel(), VolumePanel()), height=height)
    texts = texts_of(spec)
    plan = plan_price(spec)
    for plot in plan.plots[1:3]:
        labels = [text for text, x, y in texts if x > plan.right and plot.box.top < y < plot.box.bottom]
        assert len(labels) >= 2, labels


def test_labels_of_a_panel_have_no_more_decimals_than_they_need():
    plan = plan_price(a_spec(data=wave(1.0), panels=(MacdPanel(),), height=700))
    texts = [*map(plan.panels[0].label_format(plan.plots[1].ticks), plan.plots[1].ticks)]
    assert "0.00" not in texts
    assert all(not text.endswith("00") for text in texts)


def test_an_equity_curve_on_a_logarithmic_axis_grows_evenly():
    grown = curve(*(1000 * 1.02**row for row in range(300)))
    plan = plan_equity(a_spec(type="equity", data=grown, y_scale="log"))
    heights = np.diff(plan.y.y(plan.data.full.close))
    np.testing.assert_allclose(heights, heights[0], rtol=1e-6)
    labels = [text for text, *_ in texts_of(a_spec(type="equity", data=grown, y_scale="log"))]
    assert {"3,000", "10,000", "100,000"} <= set(labels)


def test_a_logarithmic_axis_needs_equity_above_zero():
    with pytest.raises(RenderError) as refused:
        engine.render(a_spec(type="equity", data=curve(100.0, 0.0, 50.0), y_scale="log"))
    assert refused.value.pointer == "/y_scale"


def test_a_curve_without_a_drawdown_has_no_labels_of_one():
    texts = [text for text, *_ in texts_of(a_spec(type="equity", data=curve(100.0, 101.0, 103.0)))]
    assert [text for text in texts if text.startswith("\N{MINUS SIGN}")] == []


def test_numbers_of_a_histogram_are_in_one_notation():
    values = Sample((1e-12, 4e-10, -3e-10, 2e-9, -1e-9, 5e-11) * 9)
    plan = plan_histogram(ChartSpec("histogram", values))
    numbers = [item.spans[1][0] for item in plan.header.rows[0]][1:]
    assert all("e-" in text for text in numbers), numbers
    assert engine.render(ChartSpec("histogram", values)).alt.count("e-") == 4
    assert not [text for text, *_ in texts_of(ChartSpec("histogram", values)) if "0.000" in text]


def test_mean_and_median_differ_in_colour_from_the_bins_that_they_cross():
    picture = pixels(ChartSpec("histogram", Sample((5.0,) * 90), width=640, height=360))
    background = where(picture, LIGHT.background[:3])
    line = where(picture, LIGHT.lines[2][:3])
    rows, columns = np.nonzero(line[200:300])
    assert len(rows) > 0
    assert all(background[200 + row, columns.min() - 1] for row in set(rows.tolist()))


def test_the_name_of_a_moment_stands_beside_its_line():
    spec = a_spec(annotations=(VLine(some_bars().time[30], "news"), VLine(some_bars().time[59], "edge")))
    plan = plan_price(spec)
    plot = plan.plots[0]
    slot = (plan.right - plot.box.left) / plan.timeline.slots
    for name, index in (("news", 30), ("edge", 59)):
        ((x, end),) = [(x, x + width(text, Font(11))) for text, x, _ in texts_of(spec) if text == name]
        line = plot.box.left + (index + 0.5) * slot
        assert not x - 1 < line < end + 1, name


def test_a_warning_writes_a_price_as_the_chart_does():
    (warning,) = engine.render(a_spec(annotations=(HLine(123_456_789.5),))).warnings
    assert "123,456,789.50" in warning


def test_the_close_of_a_line_chart_has_the_colour_of_its_change():
    bars = some_bars()
    fallen = replace(bars, close=(*bars.close[:-2], 130.0, 128.0), open=(*bars.open[:-1], 127.0))
    wide = replace(fallen, high=(*bars.high[:-2], 131.0, 131.0))
    plan = plan_price(a_spec(type="line", data=wide))
    assert {color for item in plan.header.rows[0] for text, color in item.spans[-1:]} == {LIGHT.down}
    assert plan.last_color == LIGHT.down
