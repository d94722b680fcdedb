"""Signal marks: an arrow below the bar for a buy, above it for a sell, and a dot at the exact price."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.charts.rendering.canvas import Box
from app.charts.rendering.series import circle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import Side
    from app.charts.rendering.canvas import Point
    from app.charts.rendering.labels import Labels
    from app.charts.rendering.plot import Plot

    Triangle = tuple[Point, Point, Point]

_HALF_WIDTH, _HEIGHT, _GAP = 5, 8, 4


@dataclass(frozen=True, slots=True)
class Placed:
    """A signal at a shown bar. `exact` when its price is its own and not the bar's close."""

    side: Side
    index: int
    price: float
    label: str
    exact: bool


def mark_room(signals: Sequence[Placed], side: Side, unit: float) -> float:
    """Pixels to keep free below (buy) or above (sell) the bars."""
    own = [signal for signal in signals if signal.side == side]
    if not own:
        return 0.0
    return (_GAP + _HEIGHT + 4 + (12 if any(signal.label for signal in own) else 0)) * unit


def draw_signals(plot: Plot, signals: Sequence[Placed], labels: Labels) -> None:
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
    _dots(plot, signals)
    labels.taken += [_bounds(shape) for _, shape in arrows]
    for signal, shape in arrows:
        _name(labels, signal, shape)


def _arrow(plot: Plot, signal: Placed, level: int) -> Triangle:
    """A triangle, tip first. Stacked ones stand behind one another, away from the bar."""
    unit = plot.metrics.unit
    x = plot.x.at(signal.index)
    away = 1 if signal.side == "buy" else -1
    low, high = plot.bar_ends(signal.index)
    start = max(low, plot.y.at(signal.price)) if away > 0 else min(high, plot.y.at(signal.price))
    tip = start + away * (_GAP + level * (_HEIGHT + 2)) * unit
    base = tip + away * _HEIGHT * unit
    if not plot.box.top <= base <= plot.box.bottom:
        base = min(max(base, plot.box.top), plot.box.bottom)
        tip = base - away * _HEIGHT * unit
    return (x, tip), (x + _HALF_WIDTH * unit, base), (x - _HALF_WIDTH * unit, base)


def _dots(plot: Plot, signals: Sequence[Placed]) -> None:
    unit = plot.metrics.unit
    exact = [signal for signal in signals if signal.exact and plot.y.shows(signal.price)]
    if not exact:
        return
    places = [(plot.x.at(signal.index), plot.y.at(signal.price), signal.side) for signal in exact]
    plot.canvas.shapes([circle(x, y, 3.6 * unit) for x, y, _ in places], plot.theme.background, plot.box)
    for side, color in (("buy", plot.theme.up), ("sell", plot.theme.down)):
        dots = [circle(x, y, 2.4 * unit) for x, y, own in places if own == side]
        if dots:
            plot.canvas.shapes(dots, color, plot.box)


def _name(labels: Labels, signal: Placed, shape: Triangle) -> None:
    """The signal's label behind its arrow, else beside it."""
    plot = labels.plot
    (x, tip), (right, base), (left, _) = shape
    across, down = labels.size(signal.label)
    top = math.ceil(base) + 1 if signal.side == "buy" else math.floor(base) - 1 - down
    beside = (tip + base - down) / 2
    middle = min(max(x - across / 2, plot.box.left), plot.box.right - across)
    color = plot.theme.up if signal.side == "buy" else plot.theme.down
    labels.write(signal.label, color, [(middle, top), (right + 1, beside), (left - across - 1, beside)])


def _bounds(shape: Triangle) -> Box:
    across, down = [x for x, _ in shape], [y for _, y in shape]
    return Box(int(min(across)), int(min(down)), int(max(across)) + 1, int(max(down)) + 1)
