from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.domain import ChartSpec, HLine, OrderMark
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.color import parse
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.frame.axes import draw_value_labels, whole_labels
from app.charts.rendering.frame.price_tags import (
    Tag,
    draw_tags,
    place_tags,
    spread,
    tag_height,
)
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import price_data
from app.charts.rendering.plotting.scales import IndexScale, ValueScale
from app.charts.rendering.plotting.sizes import sizes_of
from app.charts.rendering.plotting.theme import LIGHT
from tests.unit.charts.rendering.chart_builders import START_MS, a_spec, pixels, some_bars, where

SIZES = sizes_of(ChartSpec("line", some_bars()))


@given(st.lists(st.floats(-100, 500), min_size=1, max_size=12), st.floats(1, 20))
def test_spread_places_keep_their_order_their_distance_and_their_room(ideal, size):
    top, bottom = 0.0, 300.0
    places = spread(sorted(ideal), size, top, bottom)
    assert all(b - a >= size * 0.999 for a, b in pairwise(places))
    assert top - 1e-6 <= places[0]
    assert places[-1] <= bottom + 1e-6


def test_places_that_are_free_already_stay():
    assert spread([10.0, 50.0, 90.0], 20, 0, 100) == [10.0, 50.0, 90.0]


def test_neighbours_move_apart_evenly():
    assert spread([50.0, 50.0], 20, 0, 100) == [40.0, 60.0]


@given(st.lists(st.floats(-50, 400), max_size=60))
def test_drawn_tags_never_overlap_and_stay_in_their_column(heights):
    column = Box(40, 10, 100, 310)
    tags = [Tag(y, ("1.00",), parse("#123456")) for y in heights]
    laid = place_tags(tags, column, SIZES)
    boxes = draw_tags(RasterCanvas(100, 320, LIGHT.background), laid, 38, SIZES, LIGHT)
    assert all(box.clipped(column) == box for box in boxes)
    assert all(above.bottom <= below.top for above, below in pairwise(boxes))
    assert len(boxes) == min(len(tags), column.height // tag_height(SIZES, padding=2))
    assert len(boxes) + len(laid.left_out) == len(tags)


def test_where_not_all_tags_fit_those_of_the_lowest_rank_are_kept():
    canvas = RasterCanvas(100, 40, LIGHT.background)
    tags = [*(Tag(20.0, ("x",), parse("#ff0000"), rank=2) for _ in range(9)), Tag(20.0, ("y",), parse("#0000ff"), 0)]
    draw_tags(canvas, place_tags(tags, Box(2, 0, 100, tag_height(SIZES)), SIZES), 0, SIZES, LIGHT)
    assert where(canvas.pixels[..., :3], (0, 0, 255)).any()
    assert not where(canvas.pixels[..., :3], (255, 0, 0)).any()


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_shows_its_risk_and_its_reward_and_three_tags(side):
    away = 1 if side == "buy" else -1
    order = OrderMark(side, 110.0, START_MS, 110.0 - 4 * away, (110.0 + 6 * away,))
    picture = pixels(a_spec(annotations=(order,)))
    tags = picture[60:370, 600:]
    assert where(tags, LIGHT.accent[:3]).any()
    assert where(tags, LIGHT.down[:3]).any()
    assert where(tags, LIGHT.up[:3]).any()
    plain = pixels(a_spec(annotations=(HLine(106.0), HLine(116.0), HLine(104.0))))
    risk = (picture[:, 20] != plain[:, 20]).any(axis=1)
    assert risk.sum() > 50


def test_axis_labels_give_way_to_tags():
    canvas = RasterCanvas(100, 320, LIGHT.background)
    box, y = Box(0, 10, 40, 310), ValueScale(0.0, 300.0, 10, 310)
    plot = Plot(canvas, box, IndexScale(0, 40, 1), y, LIGHT, SIZES, price_data(a_spec()))
    boxes = Box(42, round(y.at(100.0)) - 8, 100, round(y.at(100.0)) + 8)
    draw_value_labels(plot, [100.0, 200.0], str, [boxes])
    inked = np.flatnonzero((canvas.pixels[..., :3] != 255).any(axis=2).any(axis=1))
    assert y.at(200.0) - 8 < inked.min()
    assert inked.max() < y.at(200.0) + 8


def test_whole_labels_are_inside_and_apart():
    y = ValueScale(0.0, 300.0, 10, 310)
    kept = whole_labels(y, [0.0, 100.0, 103.0, 200.0, 300.0], Box(0, 10, 40, 310), SIZES)
    assert kept == [100.0, 200.0]
