"""The layout of an image: header, plots from top to bottom, price axis at the right, time axis at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.plotting.sizes import Sizes

_MAIN_WEIGHT = 3.2
_MIN_PANEL_HEIGHT = 56  # design pixels: the levels 30 and 70 of an RSI from 0 to 100 can be labelled
_MIN_MAIN_HEIGHT = 56
_MIN_HEIGHT_FOR_TIME_AXIS = 80
_MIN_WIDTH_FOR_PRICE_AXIS = 120


@dataclass(frozen=True, slots=True)
class Rows:
    """Pixel rows: (top, bottom) of each plot, the main one first, and the top of the time axis."""

    plots: tuple[tuple[int, int], ...]
    axis_top: int


def rows(sizes: Sizes, top: int, weights: Sequence[float]) -> Rows:
    """Divide the height below `top`. The last panels are left out where all would be too low to read."""
    axis = axis_height(sizes)
    bottom = sizes.height - (axis or sizes.px(4))
    available = bottom - top
    kept = list(weights)
    min_height = sizes.px(_MIN_PANEL_HEIGHT)
    while kept and available - min_height * len(kept) < sizes.px(_MIN_MAIN_HEIGHT):
        kept.pop()
    each = available / (_MAIN_WEIGHT + sum(kept))
    heights = [max(round(each * weight), min_height) for weight in kept]
    edges = [top, bottom - sum(heights)]
    for height in heights:
        edges.append(edges[-1] + height)
    return Rows(tuple(pairwise(edges)), bottom)


def axis_height(sizes: Sizes) -> int:
    """Height of the time axis in pixels; 0 on images too low for one."""
    if sizes.height / sizes.unit < _MIN_HEIGHT_FOR_TIME_AXIS:
        return 0
    return cap_height(sizes.label) + sizes.px(16)


def axis_width(sizes: Sizes, labels: Sequence[str], extra: int = 0) -> int:
    """Width of the price axis in pixels: its widest label and `extra`, or a margin on images too narrow for an axis."""
    if sizes.width / sizes.unit < _MIN_WIDTH_FOR_PRICE_AXIS or not labels:
        return sizes.px(4)
    widest = max(width(label, sizes.label) for label in labels)
    needed = widest + 2 * sizes.px(5) + sizes.px(4) + extra
    return needed if needed <= sizes.width * 0.45 else sizes.px(4)
