from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.domain import SignalMark, VLine, Zone
from app.charts.rendering.canvas import Box
from app.charts.rendering.labels import Labels
from app.charts.rendering.metrics import metrics_of
from app.charts.rendering.plot import Plot
from app.charts.rendering.price_data import price_data
from app.charts.rendering.raster import RasterCanvas
from app.charts.rendering.scales import IndexScale, ValueScale
from app.charts.rendering.theme import LIGHT
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, some_bars, where

BOX = Box(10, 10, 210, 110)


def some_labels():
    spec = a_spec()
    canvas = RasterCanvas(220, 120, LIGHT.background)
    return Labels(
        Plot(canvas, BOX, IndexScale(10, 210, 4), ValueScale(0, 1, 10, 110), LIGHT, metrics_of(spec), price_data(spec))
    )


@given(st.lists(st.tuples(st.text(max_size=12), st.floats(-50, 250), st.floats(-50, 150)), max_size=20))
def test_labels_never_touch_each_other_or_leave_the_plot(wishes):
    labels = some_labels()
    for text, left, top in wishes:
        labels.write(text, LIGHT.text, [(left, top), (left, top + 20)])
    assert all(box.clipped(BOX) == box for box in labels.taken)
    assert not any(one.overlaps(other) for one, other in combinations(labels.taken, 2))


def test_a_label_takes_the_first_place_that_is_free():
    labels = some_labels()
    labels.write("One", LIGHT.text, [(20, 20)])
    labels.write("Two", LIGHT.text, [(21, 21), (20, 60), (20, 80)])
    assert [box[:2] for box in labels.taken] == [(20, 20), (20, 60)]


def test_a_label_without_a_free_place_is_left_out():
    labels = some_labels()
    labels.write("One", LIGHT.text, [(20, 20)])
    labels.write("Two", LIGHT.text, [(21, 21), (400, 20)])
    assert len(labels.taken) == 1


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
