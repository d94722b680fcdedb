"""The main series of a price chart: candles, OHLC bars, bricks, a line or an area."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from app.charts.rendering.analysis.transforms import BarArrays
from app.charts.rendering.canvas.base import Floats, Pixels
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.plotting.plot import Plot

_HOLLOW_FROM = 3
_SHADE = 0.28


def draw_candles(plot: Plot, bars: BarArrays) -> None:
    """Draw bodies from open to close and wicks from low to high, in the rising and the falling colour."""
    up = bars.close >= bars.open
    top, bottom = _span(plot, np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close))
    high, low = _span(plot, bars.high, bars.low)
    theme = plot.theme
    edges = wick_left(plot), high, top, bottom, low
    for side, color, hollow in ((up, theme.up, theme.hollow_up), (~up, theme.down, False)):
        _candles(plot, [edge[side] for edge in edges], color, hollow=hollow)


def _candles(plot: Plot, edges: Sequence[Pixels], color: Rgba, *, hollow: bool) -> None:
    """Candles of one colour. The edges are the left one of the wicks, then from the high down to the low."""
    widths, canvas = plot.widths(), plot.canvas
    wick, high, top, bottom, low = edges
    body = wick - (widths.body - widths.wick) // 2
    if hollow and widths.body >= _HOLLOW_FROM * widths.wick:
        canvas.bars(wick, high, wick + widths.wick, top, color)
        canvas.bars(wick, bottom, wick + widths.wick, low, color)
        _outlines(plot, body, top, body + widths.body, bottom, color)
        return
    canvas.bars(wick, high, wick + widths.wick, low, color)
    if widths.body > widths.wick:
        canvas.bars(body, top, body + widths.body, bottom, color)


def _outlines(plot: Plot, left: Pixels, top: Pixels, right: Pixels, bottom: Pixels, color: Rgba) -> None:
    line = plot.widths().wick
    bars = plot.canvas.bars
    bars(left, top, right, np.minimum(top + line, bottom), color)
    bars(left, np.maximum(bottom - line, top), right, bottom, color)
    bars(left, top, left + line, bottom, color)
    bars(right - line, top, right, bottom, color)


def draw_ohlc(plot: Plot, bars: BarArrays) -> None:
    """Draw a stem from low to high, with a tick to the left at the open and to the right at the close."""
    widths = plot.widths()
    reach = (widths.body - widths.wick) // 2
    stem = wick_left(plot)
    high, low = _span(plot, bars.high, bars.low)
    opened, opened_end = _span(plot, bars.open, bars.open)
    closed, closed_end = _span(plot, bars.close, bars.close)
    up = bars.close >= bars.open
    for side, color in ((up, plot.theme.up), (~up, plot.theme.down)):
        x = stem[side]
        plot.canvas.bars(x, high[side], x + widths.wick, low[side], color)
        if reach:
            plot.canvas.bars(x - reach, opened[side], x, opened_end[side], color)
            plot.canvas.bars(x + widths.wick, closed[side], x + widths.wick + reach, closed_end[side], color)


def draw_bricks(plot: Plot, bricks: BarArrays) -> None:
    """Draw Renko bricks side by side, a hairline apart."""
    edges = np.round(plot.x.left + np.arange(len(bricks) + 1) * plot.x.slot).astype(np.int64)
    gap = plot.sizes.hairline if plot.x.slot >= 4 * plot.sizes.hairline else 0
    top, bottom = _span(plot, bricks.high, bricks.low)
    up = bricks.close >= bricks.open
    for side, color in ((up, plot.theme.up), (~up, plot.theme.down)):
        left, right = edges[:-1][side], np.maximum(edges[1:][side] - gap, edges[:-1][side] + 1)
        if side is up and plot.theme.hollow_up and plot.widths().body >= _HOLLOW_FROM * plot.widths().wick:
            _outlines(plot, left, top[side], right, bottom[side], color)
        else:
            plot.canvas.bars(left, top[side], right, bottom[side], color)


def draw_line(plot: Plot, bars: BarArrays) -> None:
    """Draw a line through the closes. A single bar is a dot."""
    color = plot.theme.accent
    if len(bars) == 1:
        radius = 2.5 * plot.sizes.unit
        x, y = plot.x.at(0), plot.y.at(float(bars.close[0]))
        plot.canvas.shapes([circle(x, y, radius)], color, plot.box)
    else:
        plot.line(bars.close, color, 1.75)


def draw_area(plot: Plot, bars: BarArrays) -> None:
    """Draw the line and, below it, an area of its colour that fades out downwards."""
    if len(bars) > 1:
        plot.canvas.shade(
            plot.x.centers(), plot.y.y(bars.close), plot.box.bottom, plot.theme.accent.faded(_SHADE), plot.box
        )
    draw_line(plot, bars)


def wick_left(plot: Plot) -> Pixels:
    """First pixel of every bar's wick."""
    return np.floor(plot.x.centers() - plot.widths().wick / 2 + 0.5).astype(np.int64)


def circle(x: float, y: float, radius: float) -> list[tuple[float, float]]:
    """A circle as a polygon of 24 points."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return list(zip((x + radius * np.cos(angles)).tolist(), (y + radius * np.sin(angles)).tolist(), strict=True))


def _span(plot: Plot, upper: Floats, lower: Floats) -> tuple[Pixels, Pixels]:
    """First pixel row and first row below of each pair of values, at least a hairline apart (for a doji)."""
    hairline = plot.sizes.hairline
    first, last = plot.y.y(upper), plot.y.y(lower)
    top = np.round(first - hairline / 2).astype(np.int64)
    bottom = np.round(last + hairline / 2).astype(np.int64)
    return top, np.maximum(bottom, top + hairline)
