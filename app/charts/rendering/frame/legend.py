"""Legends: what a line or a number on the chart is, in rows of small text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.text import cap_height, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.rendering.canvas.base import Canvas
    from app.charts.rendering.canvas.color import Color
    from app.charts.rendering.plotting.sizes import Metrics
    from app.charts.rendering.plotting.theme import Theme


@dataclass(frozen=True, slots=True)
class Item:
    """One entry: pieces of text in their colours, after a swatch when `swatch` is set. The first piece names it.

    Text in a colour that cannot be read on the background is drawn in a darker or lighter one; the swatch is not.
    """

    pieces: tuple[tuple[str, Color], ...]
    swatch: Color | None = None


def item_width(item: Item, metrics: Metrics) -> int:
    """Pixels the entry takes."""
    words = sum(width(text, metrics.label) for text, _ in item.pieces) + metrics.px(4) * (len(item.pieces) - 1)
    return words + (metrics.px(14) if item.swatch else 0)


def flow(
    items: Sequence[Item], room: int, metrics: Metrics, max_rows: int
) -> tuple[tuple[tuple[Item, ...], ...], tuple[Item, ...]]:
    """The entries in at most `max_rows` rows no wider than `room` pixels, and those that found no place."""
    rows: list[list[Item]] = []
    left_out: list[Item] = []
    used = room + 1
    for item in items:
        needed = item_width(item, metrics)
        if needed > room:
            left_out.append(item)
        elif rows and used + metrics.px(14) + needed <= room:
            rows[-1].append(item)
            used += metrics.px(14) + needed
        elif len(rows) < max_rows:
            rows.append([item])
            used = needed
        else:
            left_out.append(item)
    return tuple(map(tuple, rows)), tuple(left_out)


def cut_to(item: Item, room: int, metrics: Metrics) -> Item:
    """The entry with as many of its pieces, from the first on, as `room` pixels hold."""
    while item.pieces and item_width(item, metrics) > room:
        item = replace(item, pieces=item.pieces[:-1])
    return item


def draw_row(canvas: Canvas, items: Sequence[Item], x: int, middle: float, metrics: Metrics, theme: Theme) -> None:
    """One row of entries, centred on the pixel height `middle`."""
    baseline = round(middle + cap_height(metrics.label) / 2)
    for item in items:
        start = x
        if item.swatch is not None:
            thickness = metrics.px(2)
            top = round(middle - thickness / 2)
            canvas.box(Box(start, top, start + metrics.px(10), top + thickness), item.swatch)
            start += metrics.px(14)
        for text, color in item.pieces:
            canvas.text(start, baseline, text, metrics.label, theme.text_in(color))
            start += width(text, metrics.label) + metrics.px(4)
        x += item_width(item, metrics) + metrics.px(14)
