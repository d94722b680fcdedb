"""Price tags on the right edge: pushed apart just enough that none covers another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.charts.rendering.canvas import Box
from app.charts.rendering.text import cap_height

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.rendering.canvas import Canvas
    from app.charts.rendering.color import Color
    from app.charts.rendering.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Tag:
    """A price on the right axis. The lower its `rank`, the surer it is kept when there is no room for all."""

    y: float
    text: str
    color: Color
    rank: int = 1


def tag_height(metrics: Metrics) -> int:
    """Pixels a tag is high."""
    return cap_height(metrics.label) + 2 * metrics.px(4)


def spread(wanted: Sequence[float], size: float, top: float, bottom: float) -> list[float]:
    """Places nearest to the wanted ones (rising) that are `size` apart, between `top` and `bottom`.

    Pool adjacent violators: neighbours that would overlap move together, as a block around their mean.
    """
    blocks: list[list[float]] = []
    for index, place in enumerate(wanted):
        blocks.append([place - index * size, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before, members = blocks[-1]
            blocks[-1] = [(before * members + mean * count) / (members + count), members + count]
    offsets = [mean for mean, count in blocks for _ in range(int(count))]
    last = bottom - size * (len(wanted) - 1)
    return [min(max(offset, top), max(last, top)) + index * size for index, offset in enumerate(offsets)]


def draw_tags(canvas: Canvas, tags: Sequence[Tag], column: Box, metrics: Metrics) -> list[Box]:
    """Draw tags inside `column` and give back their boxes; those beyond its room are left out, by rank."""
    height = tag_height(metrics)
    room = max(column.height // height, 0)
    kept = sorted(sorted(tags, key=lambda tag: tag.rank)[:room], key=lambda tag: tag.y)
    half = height / 2
    middles = spread([tag.y for tag in kept], height, column.top + half, column.bottom - half)
    boxes = []
    for tag, middle in zip(kept, middles, strict=True):
        top = round(middle - half)
        box = Box(column.left, top, column.right, top + height)
        canvas.tag(Box(box.left, box.top, box.right, box.bottom - 1), metrics.px(2), tag.color)
        baseline = top + (height - 1 + cap_height(metrics.label)) // 2
        canvas.text(box.left + metrics.px(5), baseline, tag.text, metrics.label, tag.color.ink())
        boxes.append(box)
    return boxes
