"""Positions of pixels: sharp bodies and wicks, visible dojis, empty margins."""

from __future__ import annotations

import numpy as np
import pytest

from app.charts.domain import HLine, VolumePanel
from app.charts.rendering.plotting.theme import COLORBLIND, LIGHT
from tests.unit.charts.rendering.chart_builders import a_spec, one_bar, pixels, some_bars, where

UP, DOWN = LIGHT.up[:3], LIGHT.down[:3]


def candle(bars, **changes):
    """The coloured pixels of one bar left of the price axis, without header and last-price line."""
    spec = a_spec(data=bars, instrument="", timeframe="", **changes)
    picture = pixels(spec)
    color = UP if bars.close[-1] >= bars.open[-1] else DOWN
    return where(picture, color)[60:, :560]


def runs(flags):
    """Lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], flags.astype(int), [0]))))
    return (edges[1::2] - edges[::2]).tolist()


@pytest.mark.parametrize(("opened", "close"), [(100.0, 110.0), (110.0, 100.0)])
def test_a_body_is_one_solid_rectangle_with_its_wick_in_the_middle(opened, close):
    shape = candle(one_bar(opened, 115.0, 95.0, close))
    rows = [row for row in shape if row.sum() > 1 and len(runs(row)) == 1]
    widths = {int(row.sum()) for row in rows}
    wick = np.flatnonzero(shape[2:20].sum(axis=0) >= 10)
    assert len(widths) == 1
    body = np.flatnonzero(rows[0])
    assert len(wick) == 1
    assert body.mean() == wick[0]


def test_a_doji_is_seen():
    shape = candle(one_bar(100.0, 105.0, 95.0, 100.0))
    assert max(int(row.sum()) for row in shape) >= 5


def test_bars_of_one_price_are_seen():
    shape = candle(one_bar(100.0, 100.0, 100.0, 100.0))
    assert shape.any()


@pytest.mark.parametrize("count", [5, 20, 47, 60, 100, 130])
@pytest.mark.parametrize("scale", [1, 2])
def test_bodies_keep_one_width_and_never_touch(count, scale):
    bars = some_bars(count)
    level = a_spec(data=bars, scale=scale, panels=(VolumePanel(),), instrument="", timeframe="", right_offset=0)
    # The foot of the volume panel is crossed by every bar's column: there widths and gaps can be counted.
    foot = pixels(level)[_bottom_of_plots(level) - 1, :, :]
    coloured = (foot != foot[2]).any(axis=1)
    lengths = runs(coloured)
    assert len(lengths) == count
    assert len(set(lengths)) == 1


@pytest.mark.parametrize("chart_type", ["candlestick", "heikin_ashi"])
def test_two_hundred_bars_of_640_pixels_have_bodies_around_their_wicks(chart_type):
    spec = a_spec(type=chart_type, data=some_bars(200), panels=(VolumePanel(),), instrument="", timeframe="")
    picture = pixels(spec)
    foot = picture[_bottom_of_plots(spec) - 1, :, :]
    lengths = runs((foot != foot[2]).any(axis=1))
    assert set(lengths) == {3}
    assert len(lengths) == 100
    shape = (where(picture, UP) | where(picture, DOWN))[60:250, :560]
    heights = shape.sum(axis=0)
    bodies = [column for column in range(13, 559) if shape[:, column - 1 : column + 2].sum(axis=1).max() == 3]
    assert len(bodies) > 80
    assert sum(heights[column] > heights[column - 1] for column in bodies) > 0.6 * len(bodies)


def test_rising_candles_of_the_colour_blind_theme_are_hollow_at_small_widths_too():
    spec = a_spec(data=some_bars(170), theme="colorblind", instrument="", timeframe="")
    shape = where(pixels(spec), COLORBLIND.up[:3])[60:, :560]
    hollow = sum(row[left : left + 3].tolist() == [True, False, True] for row in shape for left in range(557))
    assert hollow > 100


def _bottom_of_plots(spec):
    border = where(pixels(spec), LIGHT.border[:3])
    return int(np.flatnonzero(border.all(axis=1))[-1]) - (spec.scale - 1)


def test_rising_candles_of_the_colour_blind_theme_are_hollow():
    spec = a_spec(data=one_bar(100.0, 101.0, 99.0, 100.9), theme="colorblind", instrument="", timeframe="")
    shape = where(pixels(spec), COLORBLIND.up[:3])[60:, :560]
    outlined = [row for row in shape if runs(row) == [1, 1]]
    assert len(outlined) > 50


def test_a_horizontal_line_is_one_sharp_pixel_high():
    spec = a_spec(data=some_bars(), annotations=(HLine(104.0),), colors={"muted": "#a000a0"})
    line = where(pixels(spec), (160, 0, 160))[60:, :500]
    rows = np.flatnonzero(line.sum(axis=1) > 200)
    assert len(rows) == 1


def test_nothing_but_background_lies_on_the_outermost_pixels():
    picture = pixels(a_spec(panels=(VolumePanel(),)))
    white = where(picture, (255, 255, 255))
    assert white[0].all()
    assert white[-1].all()
