"""Arrows of signals: they overlap no bar, lie inside the plot, and have their time where their slot is not shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.charts.domain import OrderMark, SignalMark
from app.charts.rendering import engine
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.layers.marks import _arrow, _start
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.scales import IndexScale
from app.charts.rendering.plotting.theme import LIGHT
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, some_bars

END = START_MS + 60 * DAY_MS


def main_plot(spec):
    plan = plan_price(spec)
    canvas = RasterCanvas(plan.sizes.width, plan.sizes.height, plan.theme.background)
    x = IndexScale(plan.plots[0].box.left, plan.right, plan.timeline.bars, plan.timeline.free_slots)
    return Plot(canvas, plan.plots[0].box, x, plan.plots[0].y, plan.theme, plan.sizes, plan.data), plan


@pytest.mark.parametrize("count", [20, 60, 200, 270])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_arrow_touches_no_bar_and_lies_inside_the_plot(count, side):
    bars = some_bars(count)
    marks = tuple(SignalMark(side, bars.time[row]) for row in (0, 1, count // 3, count // 2, count - 1))
    plot, plan = main_plot(a_spec(data=bars, annotations=marks))
    for signal in plan.annotations.signals:
        arrow = np.array(_arrow(plot, signal, 0))
        (left, top), (right, bottom) = arrow.min(axis=0), arrow.max(axis=0)
        assert plot.box.left <= left
        assert right <= plot.box.right
        assert plot.box.top <= top
        assert bottom <= plot.box.bottom
        beside = np.abs(plot.x.centers() - plot.x.at(signal.index)) < (right - left) / 2
        low, high = plot.y.y(plan.data.lows[beside]), plot.y.y(plan.data.highs[beside])
        assert (low <= top).all() if side == "buy" else (high >= bottom).all()


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_no_candle_changes_where_a_signal_is_marked(side):
    bars = some_bars(60)
    spec = a_spec(data=bars, annotations=(SignalMark(side, bars.time[30]), SignalMark(side, bars.time[59])))
    marked = pixels(spec)
    plan = plan_price(spec)
    centers = [plan.plots[0].box.left + (row + 0.5) * (plan.right - 12) / plan.timeline.slots for row in (30, 59)]
    for center, row in zip(centers, (30, 59), strict=True):
        top, bottom = (round(plan.plots[0].y.at(price[row])) for price in (bars.high, bars.low))
        column = marked[top + 1 : bottom - 1, int(center)]
        color = LIGHT.up if bars.close[row] >= bars.open[row] else LIGHT.down
        assert (column == np.array(color[:3])).all()


def test_an_exact_price_is_a_ring_unless_an_entry_line_shows_it():
    time = START_MS + 30 * DAY_MS
    mark = SignalMark("buy", time, 112.0)
    own = OrderMark("buy", 112.0, time)
    spec = a_spec(colors={"accent": "#ff00ff"})
    svg = {
        name: engine.render(replace(spec, annotations=marks, format="svg")).data.decode()
        for name, marks in (("alone", (mark,)), ("with its order", (mark, own)))
    }
    assert svg["alone"].count('stroke="#ff00ff"') == 1
    assert [
        signal.on_entry_line for signal in plan_price(replace(spec, annotations=(mark, own))).annotations.signals
    ] == [True]
    assert 'fill="none" stroke="#ff00ff"' not in svg["with its order"], "its line and its level leader are boxes"


def test_a_moved_signal_has_its_time_written_clear_of_the_bars():
    spec = a_spec(annotations=(SignalMark("buy", END + 400 * DAY_MS, label="late"),), timezone="Europe/Berlin")
    plan = plan_price(spec)
    (signal,) = plan.annotations.signals
    assert signal.text == "late 5 Apr 2025"
    svg = engine.render(replace(spec, format="svg"))
    assert "late 5 Apr 2025" in svg.data.decode()
    assert svg.warnings == ()


def test_a_signal_before_the_first_bar_is_shown_with_the_order_it_begins_and_else_is_a_warning():
    early = START_MS - 90 * DAY_MS
    mark, order = SignalMark("sell", early, 110.0), OrderMark("sell", 110.0, early)
    plan = plan_price(a_spec(annotations=(order, mark)))
    assert [(signal.index, signal.time_text) for signal in plan.annotations.signals] == [(0, "3 Oct 2023")]
    assert (plan.annotations.positions[0].first, plan.annotations.warnings) == (0, [])
    (warning,) = engine.render(a_spec(annotations=(mark,))).warnings
    assert "outside the bars" in warning


def test_an_arrow_starts_at_the_price_where_there_is_no_bar():
    plot, plan = main_plot(a_spec(annotations=(SignalMark("buy", END + 5 * DAY_MS, 110.0),)))
    (signal,) = plan.annotations.signals
    assert _start(signal, plan.data, plot.x, plot.y, 1.0) == pytest.approx(plot.y.at(110.0))
