"""Draws price charts from their plan."""

from __future__ import annotations

from functools import partial
from typing import Final

from app.charts.rendering.canvas.base import Box, Canvas
from app.charts.rendering.canvas.text import width
from app.charts.rendering.charts.omissions import omissions
from app.charts.rendering.charts.price_plan import LEGEND_STRIP, PricePlan, bar_pixels
from app.charts.rendering.frame import axes
from app.charts.rendering.frame.header import draw_header
from app.charts.rendering.frame.legend import draw_row, fit_entry
from app.charts.rendering.frame.price_tags import draw_tags, leader_width
from app.charts.rendering.frame.time_ticks import time_ticks
from app.charts.rendering.layers import annotations as marks
from app.charts.rendering.layers.series import (
    draw_area,
    draw_bricks,
    draw_candles,
    draw_line,
    draw_ohlc,
)
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.scales import IndexScale

_SERIES: Final = {
    "candlestick": draw_candles,
    "heikin_ashi": draw_candles,
    "ohlc": draw_ohlc,
    "line": draw_line,
    "area": draw_area,
    "renko": draw_bricks,
}
_TIME_LABEL_GAP: Final = 22
_MAX_NAMES: Final = 8


def draw_price_chart(canvas: Canvas, plan: PricePlan) -> None:
    """Draw from back to front: grid, layers behind the bars, bars, overlays, annotations, axes, header."""
    x = IndexScale(plan.plots[0].box.left, plan.right, plan.timeline.bars, plan.timeline.free_slots)
    sizes, theme = plan.sizes, plan.theme
    ticks = time_ticks(plan.calendar, x.slot, partial(width, font=sizes.strong), sizes.px(_TIME_LABEL_GAP))
    columns = [x.at(tick.index) for tick in ticks]
    plots = [Plot(canvas, plot.box, x, plot.y, theme, sizes, plan.data) for plot in plan.plots]
    for plot, plot_plan in zip(plots, plan.plots, strict=True):
        axes.draw_grid(plot, plot_plan.ticks, columns)
    _draw_main(plots[0], plan)
    for plot, panel in zip(plots[1:], plan.panels, strict=True):
        if panel.draw is not None:
            panel.draw(plot)
        legend = fit_entry(panel.legend, plot.box.width, sizes)
        middle = plot.box.top + sizes.px(LEGEND_STRIP) / 2 + sizes.px(1)
        draw_row(canvas, [legend], plot.box.left, middle, sizes, theme)
        if legend != panel.legend:
            canvas.left_out.append(f"the legend of {panel.name}")
    axes.draw_separators(canvas, plan.rows, sizes, theme)
    _draw_axes(canvas, plots, plan)
    axis = Box(0, plan.rows.axis_top, sizes.width, sizes.height)
    if axis.height > sizes.px(10):
        axes.draw_time_labels(canvas, ticks, columns, axis, sizes, theme)
    draw_header(canvas, plan.header, sizes, theme)


def _draw_main(plot: Plot, plan: PricePlan) -> None:
    for study in plan.overlays:
        if study.draw_behind is not None:
            study.draw_behind(plot)
    marks.draw_behind_bars(plot, plan.annotations)
    plot.level(plan.data.last_close, plan.theme.faint(plan.last_color, 0.8), (1, 2))
    _SERIES[plan.spec.type](plot, plan.data.shown)
    for study in plan.overlays:
        if study.draw is not None:
            study.draw(plot)
    marks.draw_over_bars(plot, plan.annotations)


def _draw_axes(canvas: Canvas, plots: list[Plot], plan: PricePlan) -> None:
    """Draw labels and tags right of the plots, unless the image is too narrow for a price axis."""
    sizes, main = plan.sizes, plan.plots[0]
    if plan.sizes.width - plan.right <= sizes.px(8):
        return
    gutter = leader_width(sizes, [placed.tag for placed in plan.tags.placed])
    tag_boxes = draw_tags(canvas, plan.tags, plan.right, sizes, plan.theme)
    for plot, plot_plan in zip(plots, plan.plots, strict=True):
        values = axes.whole_labels(plot_plan.y, plot_plan.ticks, plot_plan.box, sizes)
        text = dict(zip(plot_plan.ticks, plot_plan.texts, strict=True)).__getitem__
        axes.draw_value_labels(plot, values, text, tag_boxes if plot_plan is main else (), gutter)


def price_warnings(plan: PricePlan) -> list[str]:
    """Warnings about everything that the chart does not show as the spec gives it."""
    data = plan.data
    warnings = [study.warning for study in (*plan.overlays, *plan.panels) if study.warning]
    if data.factor > 1:
        warnings.append(
            f"{len(data.full)} bars are drawn as {len(data.shown)}, {data.factor} in one: "
            f"each needs a width of {number_format.count_text(bar_pixels(data), 'pixel')}"
        )
    return warnings + omissions(plan) + annotation_warnings(plan)


def annotation_warnings(plan: PricePlan) -> list[str]:
    """Warnings about annotations that are missing or changed."""
    return (
        plan.annotations.warnings
        + marks.off_scale_warnings(plan.annotations, plan.plots[0].y, plan.data.decimals)
        + _untagged_prices(plan)
    )


def _untagged_prices(plan: PricePlan) -> list[str]:
    """A warning with the prices whose tags do not fit. The last close is not among them: the header shows it."""
    texts = [tag.texts[-1] for tag in plan.tags.left_out if tag.kind != "last"]
    if not texts:
        return []
    more = f" and {len(texts) - _MAX_NAMES} more" if len(texts) > _MAX_NAMES else ""
    return [f"the price axis has no room for {', '.join(texts[:_MAX_NAMES])}{more}"]
