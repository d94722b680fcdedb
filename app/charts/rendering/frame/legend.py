"""Legends: rows of names and values of the lines on a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.charts.rendering.canvas.base import Box, Canvas
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """One entry: texts with their colours, the name first, after a line sample in the colour `swatch` if that is set.

    Text whose colour cannot be read on the background is drawn darker or lighter; the swatch keeps its colour.
    """

    spans: tuple[tuple[str, Rgba], ...]
    swatch: Rgba | None = None


def item_width(item: LegendEntry, sizes: Sizes) -> int:
    """Width of the entry in pixels."""
    words = sum(width(text, sizes.label) for text, _ in item.spans) + sizes.px(4) * (len(item.spans) - 1)
    return words + (sizes.px(14) if item.swatch else 0)


def flow(
    items: Sequence[LegendEntry], max_width: int, sizes: Sizes, max_rows: int
) -> tuple[tuple[tuple[LegendEntry, ...], ...], tuple[LegendEntry, ...]]:
    """The entries in at most `max_rows` rows of at most `max_width` pixels, and the entries that do not fit."""
    rows: list[list[LegendEntry]] = []
    left_out: list[LegendEntry] = []
    used = max_width + 1
    for item in items:
        needed = item_width(item, sizes)
        if needed > max_width:
            left_out.append(item)
        elif rows and used + sizes.px(14) + needed <= max_width:
            rows[-1].append(item)
            used += sizes.px(14) + needed
        elif len(rows) < max_rows:
            rows.append([item])
            used = needed
        else:
            left_out.append(item)
    return tuple(map(tuple, rows)), tuple(left_out)


def fit_entry(item: LegendEntry, max_width: int, sizes: Sizes) -> LegendEntry:
    """The entry with as many of its first texts as fit into `max_width` pixels."""
    while item.spans and item_width(item, sizes) > max_width:
        item = replace(item, spans=item.spans[:-1])
    return item


def draw_row(canvas: Canvas, items: Sequence[LegendEntry], x: int, middle: float, sizes: Sizes, theme: Theme) -> None:
    """Draw one row of entries, centred on the pixel row `middle`."""
    baseline = round(middle + cap_height(sizes.label) / 2)
    for item in items:
        start = x
        if item.swatch is not None:
            thickness = sizes.px(2)
            top = round(middle - thickness / 2)
            canvas.box(Box(start, top, start + sizes.px(10), top + thickness), item.swatch)
            start += sizes.px(14)
        for text, color in item.spans:
            canvas.text(start, baseline, text, sizes.label, theme.text_in(color))
            start += width(text, sizes.label) + sizes.px(4)
        x += item_width(item, sizes) + sizes.px(14)
