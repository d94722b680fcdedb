"""Lines with more points than pixels: the points that are kept, and equal images of thinned and whole lines."""

from __future__ import annotations

import math

import numpy as np
import pytest

from app.charts.rendering.canvas import dense
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.raster import RasterCanvas

WHITE, BLUE, RED = Rgba(255, 255, 255), Rgba(20, 40, 220), Rgba(220, 30, 20)
WIDTH, HEIGHT = 400, 300
WHOLE = Box(0, 0, WIDTH, HEIGHT)


def a_walk(count: int, *, seed: int = 1, step: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    """A line over the width of the canvas that goes up and down within it."""
    rises = np.random.default_rng(seed).normal(0, step, count)
    heights = np.abs((150 + np.cumsum(rises)) % (2 * HEIGHT) - HEIGHT)
    return (np.arange(count) + 0.5) * WIDTH / count, heights


def a_canvas() -> RasterCanvas:
    return RasterCanvas(WIDTH, HEIGHT, WHITE)


def blue(canvas: RasterCanvas) -> np.ndarray:
    """The fraction of each pixel that is covered, from its red channel."""
    return (255.0 - canvas.pixels[..., 0]) / (255.0 - BLUE.red)


def by_rasteriser(x: np.ndarray, y: np.ndarray, width: float) -> np.ndarray:
    """The coverage that Agg gives the line drawn three points at a time, which is never dense."""
    covered = np.zeros((HEIGHT, WIDTH))
    for place in range(len(x) - 2):
        canvas = a_canvas()
        canvas.line(x[place : place + 3], y[place : place + 3], BLUE, width, WHOLE)
        covered = np.maximum(covered, blue(canvas))
    return covered


def test_a_line_with_up_to_four_points_per_column_keeps_all_of_them():
    x, y = a_walk(4 * WIDTH)
    kept_x, kept_y = dense.thinned(x, y)
    assert kept_x is x
    assert kept_y is y


def test_of_many_points_first_lowest_highest_and_last_of_each_column_stay():
    x, y = a_walk(20_000)
    kept_x, kept_y = dense.thinned(x, y)
    assert len(kept_x) <= 4 * WIDTH
    for column in range(WIDTH):
        before, after = y[np.floor(x) == column], kept_y[np.floor(kept_x) == column]
        assert (after[0], after[-1]) == (before[0], before[-1])
        assert (after.min(), after.max()) == (before.min(), before.max())


def test_a_gap_in_a_thinned_line_stays_a_gap():
    x, y = a_walk(20_000)
    y[9_000:11_000] = np.nan
    kept_x, kept_y = dense.thinned(x, y)
    gap = np.flatnonzero(np.isnan(kept_y))
    assert len(gap)
    assert kept_x[gap[0] - 1] == x[8_999]
    assert kept_x[gap[-1] + 1] == x[11_000]
    canvas = a_canvas()
    canvas.line(x, y, BLUE, 1.5, WHOLE)
    assert not blue(canvas)[:, 182:218].any()
    assert blue(canvas)[:, 178].any()
    assert blue(canvas)[:, 222].any()


@pytest.mark.parametrize("width", [1.0, 1.5, 4.0])
def test_a_dense_line_looks_as_if_the_rasteriser_had_drawn_it(width):
    x, y = a_walk(WIDTH)
    assert dense.is_dense(y, WHOLE)
    canvas = a_canvas()
    canvas.line(x, y, BLUE, width, WHOLE)
    difference = np.abs(blue(canvas) - by_rasteriser(x, y, width))
    assert difference.mean() < 0.03
    assert (difference > 0.5).mean() < 0.004


def test_the_rasteriser_draws_an_ordinary_line():
    _, y = a_walk(WIDTH, step=4)
    assert not dense.is_dense(y, WHOLE)


def test_the_area_between_dense_lines_is_filled_to_both():
    x, y = a_walk(WIDTH)
    canvas = a_canvas()
    canvas.area(x, y, np.full(WIDTH, 250.0), BLUE, WHOLE)
    for column in range(10, WIDTH, 37):
        near, filled = y[column - 2 : column + 3], blue(canvas)[:, column]
        assert filled[math.ceil(near.max()) : 250].min(initial=1.0) > 0.95
        assert filled[: math.floor(near.min())].max(initial=0.0) < 0.05 or near.max() > 250


def test_nothing_is_drawn_outside_the_clip():
    x, y = a_walk(WIDTH)
    clip = Box(50, 60, 200, 120)
    canvas = a_canvas()
    canvas.line(x, y, BLUE, 3, clip)
    canvas.area(x, y, y[::-1], RED, clip)
    outside = np.ones((HEIGHT, WIDTH), np.bool_)
    outside[clip.top : clip.bottom, clip.left : clip.right] = False
    assert (canvas.pixels[outside] == 255).all()
    assert (canvas.pixels[60:120, 50:200, :3] != 255).any()


def test_washes_that_do_not_overlap_look_like_boxes():
    boxes = [(Box(10, 10, 60, 90), BLUE.faded(0.13)), (Box(60, 20, 100, 300), RED.faded(0.13))]
    one, other = a_canvas(), a_canvas()
    one.translucent_boxes(boxes)
    for box, color in boxes:
        other.box(box, color)
    assert (one.pixels == other.pixels).all()


def test_washes_over_one_another_grow_stronger_up_to_a_half():
    canvas = a_canvas()
    canvas.translucent_boxes([(Box(0, 0, 50 * number, 100), BLUE.faded(0.1)) for number in range(1, 9)])
    strength = [float(blue(canvas)[50, 50 * place + 25]) for place in range(8)]
    assert strength == sorted(strength, reverse=True)
    assert strength[7] == pytest.approx(0.1, abs=0.01)
    assert strength[6] == pytest.approx(1 - 0.9**2, abs=0.01)
    canvas.translucent_boxes([(Box(0, 100, 400, 200), BLUE.faded(0.1))] * 300)
    assert float(blue(canvas)[150, 200]) == pytest.approx(0.5, abs=0.01)


def test_washes_of_two_colours_mix_and_of_none_change_nothing():
    canvas = a_canvas()
    canvas.translucent_boxes([])
    assert (canvas.pixels == 255).all()
    canvas.translucent_boxes([(Box(0, 0, 400, 300), BLUE.faded(0.2)), (Box(-5, -5, 500, 500), RED.faded(0.2))])
    red, green, blue_channel, _ = canvas.pixels[150, 200]
    assert red == blue_channel
    assert green < red
