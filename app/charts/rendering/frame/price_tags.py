"""Price tags on the right axis, moved apart so that none overlaps another, with leader lines to their prices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from app.charts.rendering.canvas.base import Box, Canvas
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.frame.layout import axis_width
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme

_PADDING, _COMPACT_PADDING = 4, 2
_SIDE_PADDING: Final = 5
_LEADER: Final = 10
_AXIS_SHARE: Final = 0.24


@dataclass(frozen=True, slots=True)
class Tag:
    """A price on the right axis at the pixel row `y`, which may lie off the plot.

    `texts` are its texts from the longest to the shortest. Where not all tags fit, those of the lowest `rank` are kept.
    A `role` tag belongs to an order and has a leader line to its price. The tag of the `last` price is only outlined.
    """

    y: float
    texts: tuple[str, ...]
    color: Rgba
    rank: int = 1
    kind: Literal["level", "role", "last"] = "level"

    def text(self, shortened: int) -> str:
        """The text after `shortened` steps of shortening."""
        return self.texts[min(shortened, len(self.texts) - 1)]


@dataclass(frozen=True, slots=True)
class PlacedTag:
    """A tag with its text and its box."""

    tag: Tag
    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class TagColumn:
    """The placed tags of a plot, and the tags that do not fit. `span` has the plot's first and last pixel row."""

    placed: tuple[PlacedTag, ...]
    left_out: tuple[Tag, ...]
    span: tuple[int, int] = (0, 0)


def tag_height(sizes: Sizes, padding: int = _PADDING) -> int:
    """Height of a tag in pixels."""
    return cap_height(sizes.label) + 2 * sizes.px(padding)


def leader_width(sizes: Sizes, tags: Iterable[Tag]) -> int:
    """Pixels between the plot and its tags: 2 design pixels, or 10 for the leader lines of role tags."""
    return sizes.px(_LEADER if any(tag.kind == "role" for tag in tags) else 2)


def price_axis_width(sizes: Sizes, labels: Sequence[str], tags: Sequence[Tag]) -> tuple[int, int]:
    """Width of the price axis in pixels, and the number of steps by which the tags are shortened.

    Tags may take 24 % of the image's width, in their shortest form as much as `axis_width` allows.
    """
    steps = max((len(tag.texts) for tag in tags), default=1) - 1
    extra = leader_width(sizes, tags) - sizes.px(2)
    for shortened in range(steps + 1):
        needed = axis_width(sizes, [*labels, *(tag.text(shortened) for tag in tags)], extra)
        if needed <= sizes.width * _AXIS_SHARE and needed > sizes.px(_COMPACT_PADDING + _PADDING):
            return needed, shortened
    return needed, steps


def spread(ideal: Sequence[float], size: float, top: float, bottom: float) -> list[float]:
    """Positions at least `size` apart between `top` and `bottom`, nearest to the ideal ones, which rise.

    The method is pool adjacent violators: neighbours that would overlap become a block around their mean position.
    """
    blocks: list[list[float]] = []
    for index, place in enumerate(ideal):
        blocks.append([place - index * size, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before, members = blocks[-1]
            blocks[-1] = [(before * members + mean * count) / (members + count), members + count]
    offsets = [mean for mean, count in blocks for _ in range(int(count))]
    last = bottom - size * (len(ideal) - 1)
    return [min(max(offset, top), max(last, top)) + index * size for index, offset in enumerate(offsets)]


def place_tags(tags: Sequence[Tag], column: Box, sizes: Sizes, shortened: int = 0) -> TagColumn:
    """Place tags inside `column`. Where not all fit, they are lower, then those of the highest ranks are left out."""
    height = tag_height(sizes)
    if len(tags) * height > column.height:
        height = tag_height(sizes, _COMPACT_PADDING)
    max_tags = max(column.height // height, 0)
    ranked = sorted(tags, key=lambda tag: tag.rank)
    kept = sorted(ranked[:max_tags], key=lambda tag: tag.y)
    half = height / 2
    heights = [min(max(tag.y, column.top + half), column.bottom - half) for tag in kept]
    middles = spread(heights, height, column.top + half, column.bottom - half)
    roles = [width(tag.text(shortened), sizes.label) for tag in kept if tag.kind == "role"]
    placed = []
    for tag, middle in zip(kept, middles, strict=True):
        text = tag.text(shortened)
        across = max(width(text, sizes.label), *(roles if tag.kind == "role" else ()), 0) + 2 * sizes.px(_SIDE_PADDING)
        top = round(middle - half)
        placed.append(
            PlacedTag(tag, text, Box(column.left, top, min(column.left + across, column.right), top + height))
        )
    return TagColumn(tuple(placed), tuple(ranked[max_tags:]), (column.top, column.bottom))


def draw_tags(canvas: Canvas, tags: TagColumn, plot_right: int, sizes: Sizes, theme: Theme) -> list[Box]:
    """Draw placed tags, with leader lines from the plot's right edge to those of orders. Returns their boxes."""
    for placed in tags.placed:
        tag, box = placed.tag, placed.box._replace(bottom=placed.box.bottom - 1)
        if tag.kind == "role":
            _leader(canvas, placed, plot_right, sizes, tags.span)
        canvas.rounded_box(box, sizes.px(2), tag.color)
        ink = tag.color.ink()
        if tag.kind == "last":
            canvas.rounded_box(box.grown(-sizes.hairline), sizes.px(1), theme.background)
            ink = theme.text
        baseline = box.top + (box.height + cap_height(sizes.label)) // 2
        canvas.text(box.left + sizes.px(_SIDE_PADDING), baseline, placed.text, sizes.label, ink)
    return [placed.box for placed in tags.placed]


def _leader(canvas: Canvas, placed: PlacedTag, plot_right: int, sizes: Sizes, span: tuple[int, int]) -> None:
    """Draw a line from the price, or from the edge of the plot nearest to it, to the middle of its tag."""
    box = placed.box
    price = min(max(placed.tag.y, span[0]), span[1])
    middle = (box.top + box.bottom - 1) / 2
    clip = Box(plot_right, 0, box.left + sizes.px(1), sizes.height)
    if abs(price - middle) < 1:
        # A box is as sharp as the line of the level and takes a fifth of the time of a path.
        top = round(price - sizes.hairline / 2)
        canvas.box(clip._replace(top=top, bottom=top + sizes.hairline), placed.tag.color)
        return
    ends = np.array([clip.left, clip.right], np.float64)
    canvas.line(ends, np.array([price, middle], np.float64), placed.tag.color, 1.2 * sizes.unit, clip)
