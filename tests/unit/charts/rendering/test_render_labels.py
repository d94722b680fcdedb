from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.domain import HLine, SignalMark, VLine, Zone
from app.charts.rendering import engine
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.canvas.text import mask
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.layers.labels import Labels
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import price_data
from app.charts.rendering.plotting.scales import IndexScale, ValueScale
from app.charts.rendering.plotting.sizes import sizes_of
from app.charts.rendering.plotting.theme import LIGHT
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, some_bars, where

BOX = Box(10, 10, 210, 110)


def some_labels():
    spec = a_spec()
    canvas = RasterCanvas(220, 120, LIGHT.background)
    return Labels(
        Plot(canvas, BOX, IndexScale(10, 210, 4), ValueScale(0, 1, 10, 110), LIGHT, sizes_of(spec), price_data(spec))
    )


@given(st.lists(st.tuples(st.text(max_size=12), st.floats(-50, 250), st.floats(-50, 150)), max_size=20))
def test_labels_never_touch_each_other_or_leave_the_plot(wishes):
    labels = some_labels()
    for text, left, top in wishes:
        labels.write(text, LIGHT.text, [(left, top), (left, top + 20)])
    assert all(box.clipped(BOX) == box for box in labels.occupied)
    assert not any(one.overlaps(other) for one, other in combinations(labels.occupied, 2))


def test_a_label_takes_the_first_place_that_is_free():
    labels = some_labels()
    labels.write("One", LIGHT.text, [(20, 20)])
    labels.write("Two", LIGHT.text, [(21, 21), (20, 60), (20, 80)])
    assert [box[:2] for box in labels.occupied] == [(20, 20), (20, 60)]


def test_a_label_without_a_free_place_is_left_out():
    labels = some_labels()
    labels.write("One", LIGHT.text, [(20, 20)])
    labels.write("Two", LIGHT.text, [(21, 21), (400, 20)])
    assert len(labels.occupied) == 1


@pytest.mark.parametrize(("side", "opened", "close"), [("buy", 101.0, 99.0), ("sell", 99.0, 101.0)])
def test_a_buy_points_up_from_below_its_bars_and_a_sell_down_from_above(side, opened, close):
    # All bars run against the signal, so that its colour is on the picture once.
    count = 20
    bars = replace(some_bars(count), open=(opened,) * count, high=(101.0,) * count, low=(99.0,) * count)
    bars = replace(bars, close=(close,) * count)
    picture = pixels(a_spec(data=bars, annotations=(SignalMark(side, START_MS + 9 * DAY_MS),)))
    own, other = (LIGHT.up, LIGHT.down) if side == "buy" else (LIGHT.down, LIGHT.up)
    arrow = np.flatnonzero(where(picture, own[:3])[50:370, :560].any(axis=1))
    bodies = np.flatnonzero(where(picture, other[:3])[50:370, :560].sum(axis=1) > count)
    widths = where(picture, own[:3])[50:370, :560].sum(axis=1)[arrow]
    if side == "buy":
        assert arrow.min() > bodies.max()
        assert widths[0] < widths[-2]
    else:
        assert arrow.max() < bodies.min()
        assert widths[1] > widths[-1]


def test_names_of_moments_and_zones_are_written_on_the_plot():
    start = START_MS + 10 * DAY_MS
    bare = pixels(a_spec(annotations=(VLine(start), Zone(start + 9 * DAY_MS, start + 30 * DAY_MS))))
    named = pixels(a_spec(annotations=(VLine(start, "Opened"), Zone(start + 9 * DAY_MS, start + 30 * DAY_MS, "Quiet"))))
    changed = (bare != named).any(axis=2)
    assert changed[50:80].any()
    assert not changed[100:].any()


def test_a_label_on_a_wall_of_candles_covers_only_its_letters_and_a_pixel_around():
    count = 60
    wall = replace(some_bars(count), open=(90.0,) * count, high=(110.0,) * count, low=(90.0,) * count)
    wall = replace(wall, close=(110.0,) * count)
    line = HLine(100.0, "i   i   i   i")
    picture = pixels(a_spec(data=wall, annotations=(line,)))[60:370, 12:560]
    bare = pixels(a_spec(data=wall, annotations=(replace(line, label=""),)))[60:370, 12:560]
    up = LIGHT.up[:3]
    lost = where(bare, up) & ~where(picture, up)
    letters = mask("i   i   i   i", sizes_of(a_spec()).label).coverage > 0
    assert lost.any()
    assert lost.sum() <= 9 * letters.sum()
    inside = np.argwhere(lost)
    rows, columns = inside[:, 0], inside[:, 1]
    box = where(picture, up)[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert box.any()


def test_a_label_prefers_a_place_without_bars():
    labels = Labels(replace(some_labels().plot, y=ValueScale(90.0, 130.0, 10, 110)))
    low, high = (labels.plot.y.at(float(ends[0])) for ends in (labels.plot.data.lows, labels.plot.data.highs))
    on_the_bar, above = (12.0, (low + high) / 2 - 5), (12.0, 11.0)
    assert high > 30
    labels.write("A", LIGHT.text, [on_the_bar, above])
    assert labels.occupied[0].top == 11


def test_a_label_prefers_a_place_beside_the_line_of_a_line_chart():
    spec = a_spec(type="line")
    data = price_data(spec)
    canvas = RasterCanvas(640, 400, LIGHT.background)
    box = Box(10, 10, 610, 390)
    plot = Plot(canvas, box, IndexScale(10, 610, 60), ValueScale(90, 130, 10, 390), LIGHT, sizes_of(spec), data)
    plot.line(data.full.close, LIGHT.accent)
    labels = Labels(plot)
    middle = plot.y.at(data.full.close[30])
    labels.write("A", LIGHT.text, [(plot.x.at(30) - 4, middle - 5), (plot.x.at(30), 12.0)])
    assert labels.occupied[0].top == 12


def test_a_label_without_room_is_named():
    labels = some_labels()
    labels.write("One", LIGHT.text, [(20, 20)])
    labels.write("Two", LIGHT.text, [(21, 21), (400, 20)])
    assert labels.plot.canvas.left_out == ['the label "Two"']


def test_a_long_label_is_cut_to_half_of_the_plot_and_named():
    labels = some_labels()
    labels.write("W" * 100, LIGHT.text, [(12, 20)])
    assert labels.occupied[0].width <= BOX.width / 2 + 6
    (named,) = labels.plot.canvas.left_out
    assert named.startswith('the end of the label "WWW')
    assert len(named) < 80


@pytest.mark.parametrize("image_format", ["png", "svg"])
def test_every_label_of_many_is_drawn_or_warned_of(image_format):
    lines = tuple(HLine(104.0, f"Line {number}") for number in range(12))
    warnings = engine.render(a_spec(annotations=lines, format=image_format)).warnings
    named = {warning.removeprefix("there is no room for the label ") for warning in warnings}
    assert 4 <= len(named) <= 11
    assert named <= {f'"Line {number}"' for number in range(12)}


def test_an_svg_label_has_a_halo_of_the_background():
    svg = engine.render(a_spec(format="svg", theme="dark", annotations=(HLine(104.0, "Level"),))).data.decode()
    label = next(part for part in svg.split("<text ") if ">Level<" in part)
    assert 'stroke="#131722" stroke-width="2"' in label
    assert 'paint-order="stroke"' in label


def test_a_label_that_would_be_cut_to_a_few_letters_is_left_out():
    labels = some_labels()
    narrow = Labels(replace(labels.plot, box=BOX._replace(right=60)))
    narrow.write("Resistance", LIGHT.text, [(12, 20)])
    assert narrow.occupied == []
    assert narrow.plot.canvas.left_out == ['the label "Resistance"']


def test_a_label_avoids_the_lines_of_overlays():
    labels = Labels(replace(some_labels().plot, x=IndexScale(10, 210, 60), y=ValueScale(90.0, 130.0, 10, 110)))
    plot = labels.plot
    count = len(plot.data.shown)
    plot.line(np.full(count, 125.0), LIGHT.lines[0])
    on_the_line = round(plot.y.at(125.0)) - 5
    labels.write("A", LIGHT.text, [(150, on_the_line), (150, 60)])
    assert labels.occupied[0].top != on_the_line
    assert not labels.occupied[0].top < plot.y.at(125.0) < labels.occupied[0].bottom


def test_a_label_avoids_horizontal_and_vertical_lines_and_stands_on_them_where_it_must():
    labels = some_labels()
    labels.lines = [Box(10, 24, 210, 25)]
    labels.write("One", LIGHT.text, [(20, 20), (20, 60)])
    assert labels.occupied[0][:2] == (20, 60)
    labels.lines = [Box(10, row, 210, row + 1) for row in range(10, 110, 5)]
    labels.write("Two", LIGHT.text, [(120, 20)])
    assert labels.occupied[1][:2] == (120, 20)


def test_a_name_of_a_signal_avoids_a_horizontal_line():
    bars = some_bars()
    spec = a_spec(annotations=(SignalMark("buy", bars.time[30], label="in"),))
    root = ET.fromstring(engine.render(replace(spec, format="svg")).data)  # noqa: S314 - drawn by the engine itself
    (baseline,) = (float(one.get("y", 0)) for one in root.iter() if one.text == "in")
    plan = plan_price(spec)
    y = plan.plots[0].y
    through = y.low + (y.high - y.low) * (y.bottom - (baseline - 4)) / (y.bottom - y.top)
    root = ET.fromstring(  # noqa: S314 - drawn by the engine itself
        engine.render(replace(spec, format="svg", annotations=(*spec.annotations, HLine(through)))).data
    )
    (moved,) = (float(one.get("y", 0)) for one in root.iter() if one.text == "in")
    assert not moved - 8 < baseline - 4 < moved


def test_a_label_moves_a_row_or_two_where_its_places_are_covered():
    labels = Labels(replace(some_labels().plot, x=IndexScale(10, 210, 60), y=ValueScale(90.0, 130.0, 10, 110)))
    plot = labels.plot
    plot.line(np.full(len(plot.data.shown), 125.0), LIGHT.lines[0])
    requested = round(plot.y.at(125.0)) - 5
    labels.write("A", LIGHT.text, [(150, requested)])
    assert abs(labels.occupied[0].top - requested) in {labels.occupied[0].height, 2 * labels.occupied[0].height}


def test_a_label_with_nowhere_else_to_go_stands_on_the_lines():
    labels = Labels(replace(some_labels().plot, x=IndexScale(10, 210, 60), y=ValueScale(90.0, 130.0, 10, 110)))
    plot = labels.plot
    for price in range(90, 131):
        plot.line(np.full(len(plot.data.shown), float(price)), LIGHT.lines[0])
    labels.write("A", LIGHT.text, [(150, 50)])
    assert labels.occupied[0][:2] == (150, 50)
