"""How the picture is divided: head, plots one above the other, price axis to the right, time axis below."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from app.charts.rendering.canvas.text import cap_height, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.rendering.plotting.sizes import Metrics

_MAIN_WEIGHT = 3.2
_LEAST_PANEL = 56  # design pixels: the levels 30 and 70 of an RSI from 0 to 100 can be labelled
_LEAST_MAIN = 56
_LEAST_FOR_TIME = 80
_LEAST_FOR_PRICE = 120


@dataclass(frozen=True, slots=True)
class Rows:
    """Pixel rows of the plots, (top, bottom) each with the main one first, and the top of the time axis."""

    plots: tuple[tuple[int, int], ...]
    axis_top: int


def rows(metrics: Metrics, top: int, weights: Sequence[float]) -> Rows:
    """Divide the height below `top`. Panels that would be too low to read are left out, from the last on."""
    axis = axis_height(metrics)
    bottom = metrics.height - (axis or metrics.px(4))
    room = bottom - top
    kept = list(weights)
    least = metrics.px(_LEAST_PANEL)
    while kept and room - least * len(kept) < metrics.px(_LEAST_MAIN):
        kept.pop()
    each = room / (_MAIN_WEIGHT + sum(kept))
    heights = [max(round(each * weight), least) for weight in kept]
    edges = [top, bottom - sum(heights)]
    for height in heights:
        edges.append(edges[-1] + height)
    return Rows(tuple(pairwise(edges)), bottom)


def axis_height(metrics: Metrics) -> int:
    """Pixels of the time axis; 0 on pictures too low to have one."""
    if metrics.height / metrics.unit < _LEAST_FOR_TIME:
        return 0
    return cap_height(metrics.label) + metrics.px(16)


def axis_width(metrics: Metrics, labels: Sequence[str], extra: int = 0) -> int:
    """Pixels of the price axis for its widest label and `extra`; a bare margin on pictures too narrow to have one."""
    if metrics.width / metrics.unit < _LEAST_FOR_PRICE or not labels:
        return metrics.px(4)
    widest = max(width(label, metrics.label) for label in labels)
    needed = widest + 2 * metrics.px(5) + metrics.px(4) + extra
    return needed if needed <= metrics.width * 0.45 else metrics.px(4)
