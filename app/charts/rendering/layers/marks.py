"""Signal marks: an arrow below the bars for a buy, above them for a sell, and a ring at the signal's own price."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.charts.domain import Side
from app.charts.rendering.canvas.base import Box, Point
from app.charts.rendering.layers.labels import Labels
from app.charts.rendering.layers.series import circle
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.scales import IndexScale, ValueScale

Triangle = tuple[Point, Point, Point]

_HALF_WIDTH, _HEIGHT, _GAP = 5, 8, 4
_STACK_GAP: Final = 2
_RING: Final = 3.2
_CLEAR_ROWS: Final = 8


@dataclass(frozen=True, slots=True)
class PlacedSignal:
    """A signal with its slot: `index` counts the shown bars and the slots after them.

    `has_own_price` is false where the price is the bar's close. `time_text` is the signal's time where its
    true slot is not on the chart, else empty. `on_entry_line` is true where an order's entry line shows the price.
    """

    side: Side
    index: int
    price: float
    label: str
    has_own_price: bool
    time_text: str = ""
    on_entry_line: bool = False

    @property
    def text(self) -> str:
        """The text beside the arrow."""
        return " ".join(part for part in (self.label, self.time_text) if part)


def mark_margin(
    signals: Sequence[PlacedSignal], data: PriceData, x: IndexScale, y: ValueScale, unit: float
) -> tuple[float, float]:
    """Pixels by which arrows with their labels extend beyond the upper and the lower end of the scale `y`."""
    above = below = 0.0
    stacked: dict[tuple[int, str], int] = defaultdict(int)
    for signal in signals:
        level = stacked[signal.index, signal.side]
        stacked[signal.index, signal.side] += 1
        length = (_GAP + _HEIGHT + 4 + level * (_HEIGHT + _STACK_GAP) + (12 if signal.text else 0)) * unit
        start = _start(signal, data, x, y, unit)
        if signal.side == "buy":
            below = max(below, start + length - y.bottom)
        else:
            above = max(above, y.top - start + length)
    return above, below


def draw_signals(plot: Plot, signals: Sequence[PlacedSignal], labels: Labels) -> None:
    """Draw all signals. Those of one bar and side are stacked."""
    stacked: dict[tuple[int, str], int] = defaultdict(int)
    arrows = []
    for signal in signals:
        level = stacked[signal.index, signal.side]
        stacked[signal.index, signal.side] += 1
        arrows.append((signal, _arrow(plot, signal, level)))
    for side, color in (("buy", plot.theme.up), ("sell", plot.theme.down)):
        shapes = [shape for signal, shape in arrows if signal.side == side]
        if shapes:
            plot.canvas.shapes(shapes, color, plot.box)
    _rings(plot, signals)
    labels.occupied += [_bounds(shape) for _, shape in arrows]
    for signal, shape in arrows:
        _write_label(labels, signal, shape)


def _start(signal: PlacedSignal, data: PriceData, x: IndexScale, y: ValueScale, unit: float) -> float:
    """Pixel row of the signal's price, or of the end of the bars around it where that lies farther out.

    An arrow is wider than most bars, so it must not overlap the bars beside its own.
    """
    price = min(max(y.at(signal.price), y.top), y.bottom)
    beside = math.ceil(_HALF_WIDTH * unit / x.slot - 0.1)
    first, last = max(signal.index - beside, 0), min(signal.index + beside + 1, x.count)
    if first >= last:
        return price
    if signal.side == "buy":
        return max(price, y.at(float(data.lows[first:last].min())))
    return min(price, y.at(float(data.highs[first:last].max())))


def _arrow(plot: Plot, signal: PlacedSignal, level: int) -> Triangle:
    """A triangle inside the plot, its tip first. `level` counts the arrows between it and the bar."""
    unit, box = plot.sizes.unit, plot.box
    half = _HALF_WIDTH * unit
    x = min(max(plot.x.at(signal.index), box.left + half), max(box.right - half, box.left + half))
    away = 1 if signal.side == "buy" else -1
    start = _start(signal, plot.data, plot.x, plot.y, unit)
    tip = start + away * (_GAP + level * (_HEIGHT + _STACK_GAP)) * unit
    base = tip + away * _HEIGHT * unit
    if not box.top <= base <= box.bottom:
        base = min(max(base, box.top), box.bottom)
        tip = base - away * _HEIGHT * unit
    return (x, tip), (x + half, base), (x - half, base)


def _rings(plot: Plot, signals: Sequence[PlacedSignal]) -> None:
    """Draw a ring around each signal's own price, unless an entry line shows that price."""
    unit = plot.sizes.unit
    for signal in signals:
        if signal.has_own_price and not signal.on_entry_line and plot.y.shows(signal.price):
            ring = circle(plot.x.at(signal.index), plot.y.at(signal.price), _RING * unit)
            x, y = np.array([*ring, ring[0]], np.float64).T
            plot.canvas.line(x, y, plot.theme.accent, 1.2 * unit, plot.box)


def _write_label(labels: Labels, signal: PlacedSignal, shape: Triangle) -> None:
    """Write the signal's label behind its arrow, else beside it."""
    plot = labels.plot
    (x, tip), (right, base), (left, _) = shape
    across, down = labels.size(signal.text)
    top = math.ceil(base) + 1 if signal.side == "buy" else math.floor(base) - 1 - down
    beside = (tip + base - down) / 2
    middle = min(max(x - across / 2, plot.box.left), plot.box.right - across)
    places = [(middle, float(top)), (right + 1, beside), (left - across - 1, beside)]
    if signal.time_text:
        places = [*_clear_corners(labels, signal.text, (x, top)), *places]
    labels.write(signal.text, plot.theme.up if signal.side == "buy" else plot.theme.down, places)


def _clear_corners(labels: Labels, text: str, near: Point) -> list[Point]:
    """Corners at which the text overlaps no bar, the nearest to the point `near` first."""
    plot = labels.plot
    box = plot.box
    across, down = labels.size(text)
    left = min(max(near[0] - across / 2, box.left), box.right - across)
    rows = np.array([near[1], *range(box.top + 1, box.bottom - down, max(down // 2, 1))], np.float64)
    ends = (left - plot.x.left) / plot.x.slot, (left + across - plot.x.left) / plot.x.slot
    first, last = max(int(ends[0]), 0), min(math.ceil(ends[1]), plot.x.count)
    highs, lows = (plot.y.y(values[first:last]) for values in (plot.data.highs, plot.data.lows))
    free = rows[~((highs < rows[:, np.newaxis] + down) & (lows > rows[:, np.newaxis])).any(axis=1)]
    return [(left, row) for row in sorted(free.tolist(), key=lambda row: abs(row - near[1]))[:_CLEAR_ROWS]]


def _bounds(shape: Triangle) -> Box:
    across, down = [x for x, _ in shape], [y for _, y in shape]
    return Box(int(min(across)), int(min(down)), int(max(across)) + 1, int(max(down)) + 1)
