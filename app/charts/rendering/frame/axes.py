"""Grid lines and axis labels of the plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from app.charts.rendering.canvas.base import Box, Canvas
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.frame.layout import Rows
from app.charts.rendering.frame.time_ticks import TimeTick
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.scales import ValueScale
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme


def draw_grid(plot: Plot, values: Sequence[float], columns: Sequence[float]) -> None:
    """Draw hairlines: horizontal ones at `values`, vertical ones at the pixel `columns`."""
    hairline, box, color = plot.sizes.hairline, plot.box, plot.theme.grid
    shown = [plot.y.at(value) for value in values if plot.y.shows(value)]
    top = np.round(np.array(shown) - hairline / 2).astype(np.int64)
    left = np.floor(np.array(columns) - hairline / 2 + 0.5).astype(np.int64)
    across, down = np.ones(len(top), np.int64), np.ones(len(left), np.int64)
    plot.canvas.bars(across * box.left, top, across * box.right, np.minimum(top + hairline, box.bottom), color)
    plot.canvas.bars(left, down * box.top, np.minimum(left + hairline, box.right), down * box.bottom, color)


def whole_labels(scale: ValueScale, values: Sequence[float], box: Box, sizes: Sizes) -> list[float]:
    """The values whose labels lie wholly beside the plot and overlap no label of an earlier value."""
    half = cap_height(sizes.label) / 2 + sizes.px(2)
    kept: list[float] = []
    heights: list[float] = []
    for value in values:
        y = scale.at(value)
        if box.top + half <= y <= box.bottom - half and all(abs(y - other) >= 2 * half for other in heights):
            kept.append(value)
            heights.append(y)
    return kept


def draw_value_labels(
    plot: Plot,
    values: Sequence[float],
    text: Callable[[float], str],
    tag_boxes: Sequence[Box],
    gutter: int | None = None,
) -> None:
    """Draw labels on the right axis, `gutter` pixels and a margin from the plot, but none that overlaps a tag."""
    sizes = plot.sizes
    height = cap_height(sizes.label)
    x = plot.box.right + (sizes.px(2) if gutter is None else gutter) + sizes.px(5)
    for value in values:
        top = round(plot.y.at(value) - height / 2)
        label = text(value)
        place = Box(x, top - sizes.px(1), x + width(label, sizes.label), top + height + sizes.px(1))
        if place.right <= sizes.width and not any(place.overlaps(tag) for tag in tag_boxes):
            plot.canvas.text(x, top + height, label, sizes.label, plot.theme.muted)


def draw_time_labels(
    canvas: Canvas, ticks: Sequence[TimeTick], xs: Sequence[float], axis: Box, sizes: Sizes, theme: Theme
) -> None:
    """Draw labels below the plots. At the edges they are moved into the image; larger units are bold."""
    baseline = axis.top + sizes.px(7) + cap_height(sizes.label)
    margin = sizes.px(4)
    end = float("-inf")
    for tick, x in zip(ticks, xs, strict=True):
        font, color = (sizes.strong, theme.text) if tick.major else (sizes.label, theme.muted)
        half = width(tick.text, font) / 2
        middle = min(max(x, axis.left + margin + half), axis.right - margin - half)
        if middle - half >= max(end, axis.left):
            canvas.text(middle, baseline, tick.text, font, color, "center")
            end = middle + half + margin


def draw_separators(canvas: Canvas, rows: Rows, sizes: Sizes, theme: Theme) -> None:
    """Draw lines between the plots, and above the time axis where there is one."""
    tops = [top for top, _ in rows.plots[1:]]
    if sizes.height - rows.axis_top > sizes.px(8):
        tops.append(rows.axis_top)
    for top in tops:
        canvas.box(Box(0, top, sizes.width, top + sizes.hairline), theme.border)


def tick_columns(ticks: Sequence[TimeTick], centers: np.ndarray) -> list[float]:
    """Pixel column of each time tick."""
    return [float(centers[tick.index]) for tick in ticks]
