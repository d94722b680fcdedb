from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

from app.charts.rendering.canvas import png, webp
from app.charts.rendering.canvas.base import Box, Font
from app.charts.rendering.canvas.color import parse
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.placeholder import placeholder

WHITE, RED, BLUE = parse("#ffffff"), parse("#ff0000"), parse("#0000ff")
EVERYWHERE = Box(0, 0, 40, 30)


def decoded(data):
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def a_canvas():
    return RasterCanvas(40, 30, WHITE)


def drawn(canvas):
    return np.asarray(decoded(png.encode(canvas.pixels)).convert("RGB"))


@settings(max_examples=50, deadline=None)
@given(st_numpy.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(4))))
def test_a_png_has_exactly_the_pixels_of_its_input(pixels):
    picture = decoded(png.encode(pixels))
    assert picture.mode == "RGBA"
    assert (np.asarray(picture) == pixels).all()


def test_a_webp_has_exactly_the_opaque_pixels_of_its_input():
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 4), np.uint8)
    pixels[..., 3] = 255
    assert (np.asarray(decoded(webp.encode(pixels)).convert("RGB")) == pixels[..., :3]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (2, 2), (64, 64), (3000, 64)])
def test_a_placeholder_is_a_valid_png_of_its_size(size):
    assert decoded(placeholder(*size)).size == size


def test_a_canvas_starts_as_its_background_and_opaque():
    canvas = a_canvas()
    assert (canvas.pixels == 255).all()


def test_the_memory_of_a_closed_canvas_begins_the_next_picture_as_background():
    closed = a_canvas()
    closed.box(EVERYWHERE, RED)
    closed.line(np.array([0.0, 40.0]), np.array([0.0, 30.0]), BLUE, 2, Box(5, 5, 20, 20))
    address = closed.pixels.__array_interface__["data"]
    closed.close()
    following = RasterCanvas(40, 30, BLUE)
    assert following.pixels.__array_interface__["data"] == address
    assert (following.pixels == (0, 0, 255, 255)).all()
    following.shapes([[(0.0, 0.0), (40.0, 0.0), (40.0, 30.0), (0.0, 30.0)]], RED, EVERYWHERE)
    assert (drawn(following) == RED[:3]).all()


def test_canvases_open_at_the_same_time_have_their_own_pixels():
    a_canvas().close()
    one, other = a_canvas(), a_canvas()
    one.box(EVERYWHERE, RED)
    assert (drawn(one) == RED[:3]).all()
    assert (drawn(other) == 255).all()


def test_a_canvas_of_another_size_does_not_get_the_memory_of_a_closed_one():
    a_canvas().close()
    assert RasterCanvas(30, 40, WHITE).pixels.shape == (40, 30, 4)


def test_dashes_look_as_the_rasterizer_draws_a_dashed_line():
    box = Box(3, 10, 38, 12)
    direct, stroked = a_canvas(), a_canvas()
    direct.dashes(box, 3, 2, RED)
    stroked.line(np.array([3.0, 38.0]), np.array([11.0, 11.0]), RED, 2, box, (3, 2))
    assert (direct.pixels == stroked.pixels).all()
    assert (direct.pixels[10, 3:9, 1] == (0, 0, 0, 255, 255, 0)).all()


def test_a_box_fills_its_pixels_and_no_others():
    canvas = a_canvas()
    canvas.box(Box(3, 4, 6, 9), RED)
    red = (drawn(canvas) == (255, 0, 0)).all(axis=2)
    assert red[4:9, 3:6].all()
    assert red.sum() == 15


def test_a_box_reaching_out_of_the_picture_is_cut_off():
    canvas = a_canvas()
    canvas.box(Box(-5, -5, 2, 2), RED)
    canvas.box(Box(38, 28, 99, 99), RED)
    canvas.box(Box(-9, -9, -2, -2), RED)
    assert (drawn(canvas) == (255, 0, 0)).all(axis=2).sum() == 8


@pytest.mark.parametrize("alpha", [0.0, 0.13, 0.5, 0.9])
def test_a_translucent_box_mixes_with_what_lies_below(alpha):
    canvas = a_canvas()
    canvas.box(EVERYWHERE, BLUE)
    canvas.box(Box(0, 0, 20, 30), RED.faded(alpha))
    mixed = drawn(canvas)[10, 10].astype(float)
    assert np.abs(mixed - (255 * alpha, 0, 255 * (1 - alpha))).max() <= 2
    assert (canvas.pixels[..., 3] == 255).all()


def test_bars_are_boxes_of_one_colour():
    canvas, other = a_canvas(), a_canvas()
    left, top = np.array([1, 10, 20]), np.array([2, 5, 25])
    canvas.bars(left, top, left + 4, top + 3, RED)
    for x, y in zip(left.tolist(), top.tolist(), strict=True):
        other.box(Box(x, y, x + 4, y + 3), RED)
    assert (canvas.pixels == other.pixels).all()


def test_a_line_is_interrupted_by_a_missing_value():
    canvas = a_canvas()
    x = np.array([2.0, 10.0, 15.0, 20.0, 30.0])
    canvas.line(x, np.array([10.5, 10.5, np.nan, 10.5, 10.5]), RED, 1, EVERYWHERE)
    row = (drawn(canvas)[10] == (255, 0, 0)).all(axis=1)
    assert row[3:9].all()
    assert not row[11:19].any()
    assert row[21:29].all()


def test_a_line_stays_in_its_clip():
    canvas = a_canvas()
    canvas.line(np.array([0.0, 40.0]), np.array([0.0, 30.0]), RED, 3, Box(10, 0, 20, 30))
    touched = (drawn(canvas) != 255).any(axis=2).any(axis=0)
    assert np.flatnonzero(touched).tolist() == list(range(10, 20))


def test_a_shade_is_strongest_at_the_top_and_invisible_at_the_bottom():
    canvas = a_canvas()
    canvas.shade(np.array([0.0, 40.0]), np.array([5.0, 5.0]), 25, RED.faded(0.8), EVERYWHERE)
    green = drawn(canvas)[:, 20, 1].astype(int)
    assert (green[:5] == 255).all()
    assert (np.diff(green[5:25]) > 0).all()
    assert (green[25:] == 255).all()


def test_an_area_lies_between_its_lines():
    canvas = a_canvas()
    x = np.array([0.0, 40.0])
    canvas.area(x, np.full(2, 10.0), np.full(2, 20.0), RED, EVERYWHERE)
    red = (drawn(canvas) == (255, 0, 0)).all(axis=2)
    assert red[10:20].all()
    assert red.sum() == 400


@pytest.mark.parametrize(("align", "columns"), [("left", (20, 40)), ("center", (10, 30)), ("right", (0, 20))])
def test_text_is_written_from_its_anchor(align, columns):
    canvas = a_canvas()
    canvas.text(20, 20, "II", Font(11), RED, align)
    touched = np.flatnonzero((drawn(canvas) != 255).any(axis=2).any(axis=0))
    assert columns[0] <= touched[0]
    assert touched[-1] < columns[1]
