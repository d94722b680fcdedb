"""Price tags on the right axis: pushed apart just enough that none covers another, each joined to its true price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.frame.layout import axis_width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.charts.rendering.canvas.base import Canvas
    from app.charts.rendering.canvas.color import Color
    from app.charts.rendering.plotting.sizes import Sizes
    from app.charts.rendering.plotting.theme import Theme

_PADDING, _COMPACT_PADDING = 4, 2
_SIDE: Final = 5
_LEADER: Final = 10
_AXIS_SHARE: Final = 0.24


@dataclass(frozen=True, slots=True)
class Tag:
    """A price on the right axis at the pixel height `y`, which may lie off the plot.

    `texts` say the same from the fullest to the shortest. The lower its `rank`, the surer the tag is kept when there is
    no room for all. A `role` tag belongs to an order and has a leader to its price; the `last` price is only outlined.
    """

    y: float
    texts: tuple[str, ...]
    color: Color
    rank: int = 1
    kind: Literal["level", "role", "last"] = "level"

    def text(self, shortened: int) -> str:
        """The text after `shortened` steps of leaving things out."""
        return self.texts[min(shortened, len(self.texts) - 1)]


@dataclass(frozen=True, slots=True)
class PlacedTag:
    """A tag with its text and its box."""

    tag: Tag
    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class TagColumn:
    """The tags of a plot in their places, and those for which there was no room. `span`: the plot's top and bottom."""

    placed: tuple[PlacedTag, ...]
    left_out: tuple[Tag, ...]
    span: tuple[int, int] = (0, 0)


def tag_height(sizes: Sizes, padding: int = _PADDING) -> int:
    """Pixels a tag is high."""
    return cap_height(sizes.label) + 2 * sizes.px(padding)


def leader_width(sizes: Sizes, tags: Iterable[Tag]) -> int:
    """Pixels between the plot and its tags: wide enough for leaders where there are role tags."""
    return sizes.px(_LEADER if any(tag.kind == "role" for tag in tags) else 2)


def price_axis_width(sizes: Sizes, labels: Sequence[str], tags: Sequence[Tag]) -> tuple[int, int]:
    """Pixels of the price axis for its labels and tags, and by how many steps the tags are shortened to fit it.

    Tags may take a quarter of the picture, and in their shortest form what `axis_width` allows.
    """
    steps = max((len(tag.texts) for tag in tags), default=1) - 1
    extra = leader_width(sizes, tags) - sizes.px(2)
    for shortened in range(steps + 1):
        needed = axis_width(sizes, [*labels, *(tag.text(shortened) for tag in tags)], extra)
        if needed <= sizes.width * _AXIS_SHARE and needed > sizes.px(_COMPACT_PADDING + _PADDING):
            return needed, shortened
    return needed, steps


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


def place_tags(tags: Sequence[Tag], column: Box, sizes: Sizes, shortened: int = 0) -> TagColumn:
    """Places inside `column`, lower tags where not all fit; those beyond its room are left out, by rank."""
    height = tag_height(sizes)
    if len(tags) * height > column.height:
        height = tag_height(sizes, _COMPACT_PADDING)
    room = max(column.height // height, 0)
    ranked = sorted(tags, key=lambda tag: tag.rank)
    kept = sorted(ranked[:room], key=lambda tag: tag.y)
    half = height / 2
    heights = [min(max(tag.y, column.top + half), column.bottom - half) for tag in kept]
    middles = spread(heights, height, column.top + half, column.bottom - half)
    roles = [width(tag.text(shortened), sizes.label) for tag in kept if tag.kind == "role"]
    placed = []
    for tag, middle in zip(kept, middles, strict=True):
        text = tag.text(shortened)
        across = max(width(text, sizes.label), *(roles if tag.kind == "role" else ()), 0) + 2 * sizes.px(_SIDE)
        top = round(middle - half)
        placed.append(
            PlacedTag(tag, text, Box(column.left, top, min(column.left + across, column.right), top + height))
        )
    return TagColumn(tuple(placed), tuple(ranked[room:]), (column.top, column.bottom))


def draw_tags(canvas: Canvas, tags: TagColumn, plot_right: int, sizes: Sizes, theme: Theme) -> list[Box]:
    """Draw placed tags, and leaders from the plot's right edge to those of orders; gives the boxes taken."""
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
        canvas.text(box.left + sizes.px(_SIDE), baseline, placed.text, sizes.label, ink)
    return [placed.box for placed in tags.placed]


def _leader(canvas: Canvas, placed: PlacedTag, plot_right: int, sizes: Sizes, span: tuple[int, int]) -> None:
    """A line from the true price, or the edge it lies beyond, to the middle of its tag."""
    box = placed.box
    price = min(max(placed.tag.y, span[0]), span[1])
    middle = (box.top + box.bottom - 1) / 2
    clip = Box(plot_right, 0, box.left + sizes.px(1), sizes.height)
    if abs(price - middle) < 1:
        # As the line of the level, which it goes on: sharp, and a fifth of the time of a path.
        top = round(price - sizes.hairline / 2)
        canvas.box(clip._replace(top=top, bottom=top + sizes.hairline), placed.tag.color)
        return
    ends = np.array([clip.left, clip.right], np.float64)
    canvas.line(ends, np.array([price, middle], np.float64), placed.tag.color, 1.2 * sizes.unit, clip)
