"""How the picture is divided: head, plots one above the other, price axis to the right, time axis below."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from app.charts.rendering.canvas.text import cap_height, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.rendering.plotting.sizes import Sizes

_MAIN_WEIGHT = 3.2
_MIN_PANEL_HEIGHT = 56  # design pixels: the levels 30 and 70 of an RSI from 0 to 100 can be labelled
_MIN_MAIN_HEIGHT = 56
_MIN_HEIGHT_FOR_TIME_AXIS = 80
_MIN_WIDTH_FOR_PRICE_AXIS = 120


@dataclass(frozen=True, slots=True)
class Rows:
    """Pixel rows of the plots, (top, bottom) each with the main one first, and the top of the time axis."""

    plots: tuple[tuple[int, int], ...]
    axis_top: int


def rows(sizes: Sizes, top: int, weights: Sequence[float]) -> Rows:
    """Divide the height below `top`. Panels that would be too low to read are left out, from the last on."""
    axis = axis_height(sizes)
    bottom = sizes.height - (axis or sizes.px(4))
    room = bottom - top
    kept = list(weights)
    least = sizes.px(_MIN_PANEL_HEIGHT)
    while kept and room - least * len(kept) < sizes.px(_MIN_MAIN_HEIGHT):
        kept.pop()
    each = room / (_MAIN_WEIGHT + sum(kept))
    heights = [max(round(each * weight), least) for weight in kept]
    edges = [top, bottom - sum(heights)]
    for height in heights:
        edges.append(edges[-1] + height)
    return Rows(tuple(pairwise(edges)), bottom)


def axis_height(sizes: Sizes) -> int:
    """Pixels of the time axis; 0 on pictures too low to have one."""
    if sizes.height / sizes.unit < _MIN_HEIGHT_FOR_TIME_AXIS:
        return 0
    return cap_height(sizes.label) + sizes.px(16)


def axis_width(sizes: Sizes, labels: Sequence[str], extra: int = 0) -> int:
    """Pixels of the price axis for its widest label and `extra`; a bare margin on pictures too narrow to have one."""
    if sizes.width / sizes.unit < _MIN_WIDTH_FOR_PRICE_AXIS or not labels:
        return sizes.px(4)
    widest = max(width(label, sizes.label) for label in labels)
    needed = widest + 2 * sizes.px(5) + sizes.px(4) + extra
    return needed if needed <= sizes.width * 0.45 else sizes.px(4)
