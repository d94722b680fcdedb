"""Signal marks: an arrow below the bars for a buy, above them for a sell, and a ring at the exact price."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.layers.series import circle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import Side
    from app.charts.rendering.canvas.base import Point
    from app.charts.rendering.layers.labels import Labels
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
    """A signal at a shown bar or at a slot after the last one.

    `exact` when its price is its own and not the bar's close. `when` is its time, written where it had to be moved to
    the nearest slot there is. `marked` when the entry line of an order shows the price already.
    """

    side: Side
    index: int
    price: float
    label: str
    exact: bool
    when: str = ""
    marked: bool = False

    @property
    def text(self) -> str:
        """What is written at the arrow."""
        return " ".join(part for part in (self.label, self.when) if part)


def mark_margin(
    signals: Sequence[PlacedSignal], data: PriceData, x: IndexScale, y: ValueScale, unit: float
) -> tuple[float, float]:
    """Pixels by which arrows with their labels reach over the upper and the lower end of the scale's inner part."""
    above = below = 0.0
    stacked: dict[tuple[int, str], int] = defaultdict(int)
    for signal in signals:
        level = stacked[signal.index, signal.side]
        stacked[signal.index, signal.side] += 1
        room = (_GAP + _HEIGHT + 4 + level * (_HEIGHT + _STACK_GAP) + (12 if signal.text else 0)) * unit
        start = _start(signal, data, x, y, unit)
        if signal.side == "buy":
            below = max(below, start + room - y.bottom)
        else:
            above = max(above, y.top - start + room)
    return above, below


def draw_signals(plot: Plot, signals: Sequence[PlacedSignal], labels: Labels) -> None:
    """All signals; those of one bar and side are stacked."""
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
        _name(labels, signal, shape)


def _start(signal: PlacedSignal, data: PriceData, x: IndexScale, y: ValueScale, unit: float) -> float:
    """Pixel height of the signal's price, or of the end of the bars around it where that lies farther out.

    An arrow is wider than most bars: it keeps clear of every bar that it reaches over.
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
    """A triangle, tip first, wholly inside the plot. Stacked ones stand behind one another, away from the bar."""
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
    """An open ring around each exact price that no entry line shows, so that the bar under it stays to be seen."""
    unit = plot.sizes.unit
    for signal in signals:
        if signal.exact and not signal.marked and plot.y.shows(signal.price):
            ring = circle(plot.x.at(signal.index), plot.y.at(signal.price), _RING * unit)
            x, y = np.array([*ring, ring[0]], np.float64).T
            plot.canvas.line(x, y, plot.theme.accent, 1.2 * unit, plot.box)


def _name(labels: Labels, signal: PlacedSignal, shape: Triangle) -> None:
    """The signal's label behind its arrow, else beside it."""
    plot = labels.plot
    (x, tip), (right, base), (left, _) = shape
    across, down = labels.size(signal.text)
    top = math.ceil(base) + 1 if signal.side == "buy" else math.floor(base) - 1 - down
    beside = (tip + base - down) / 2
    middle = min(max(x - across / 2, plot.box.left), plot.box.right - across)
    places = [(middle, float(top)), (right + 1, beside), (left - across - 1, beside)]
    if signal.when:
        places = [*_clear(labels, signal.text, (x, top)), *places]
    labels.write(signal.text, plot.theme.up if signal.side == "buy" else plot.theme.down, places)


def _clear(labels: Labels, text: str, near: Point) -> list[Point]:
    """Corners at which the text touches no bar, the nearest to a point first: for a time that must not get lost."""
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
