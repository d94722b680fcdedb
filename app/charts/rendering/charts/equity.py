"""The equity chart: equity with labels on the right axis, its drawdown below with labels on the left axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np

from app.charts.domain import ChartSpec, EquityCurve
from app.charts.rendering.analysis import indicators
from app.charts.rendering.analysis.indicators import DrawdownSummary
from app.charts.rendering.analysis.transforms import BarArrays
from app.charts.rendering.canvas.base import Box, Canvas, Floats
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.charts.alt_text import chart_name
from app.charts.rendering.errors import RenderError
from app.charts.rendering.frame import axes, layout
from app.charts.rendering.frame.header import Header, draw_header, plan_header
from app.charts.rendering.frame.layout import Rows
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.frame.price_tags import Tag, draw_tags, place_tags
from app.charts.rendering.frame.time_ticks import (
    Calendar,
    calendar,
    date_range,
    format_instant,
    time_ticks,
)
from app.charts.rendering.frame.value_ticks import axis_ticks, upper_part, value_ticks
from app.charts.rendering.layers.series import circle, draw_area
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import PriceData, check_times, checked_values
from app.charts.rendering.plotting.scales import IndexScale, ValueScale, value_scale
from app.charts.rendering.plotting.sizes import Sizes, sizes_of
from app.charts.rendering.plotting.theme import Theme, theme_of

_DRAWDOWN_SHARE: Final = 0.26
_MIN_DRAWDOWN_RANGE: Final = 1e-4
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class EquityPlan:
    """An equity chart before it is drawn.

    `drawdown` has one fraction (<= 0) per value of the curve. `y` is the scale of the equity, `drawdown_y` that of the
    drawdown, in the lower part of the same box.
    """

    spec: ChartSpec
    theme: Theme
    sizes: Sizes
    data: PriceData
    drawdown: Floats
    summary: DrawdownSummary
    header: Header
    rows: Rows
    box: Box
    y: ValueScale
    drawdown_y: ValueScale
    calendar: Calendar
    warnings: tuple[str, ...] = ()


def plan_equity(spec: ChartSpec) -> EquityPlan:
    """Lay out the chart. Raises RenderError for a value that cannot be drawn."""
    theme, sizes, data = theme_of(spec), sizes_of(spec), _curve(spec)
    equity, days = data.full.close, calendar(data.full.time, spec.timezone)
    drawdown = indicators.drawdown(equity)
    summary = indicators.drawdown_summary(data.full.time, equity)
    header = plan_header(spec, sizes, (), _legend(data, summary, theme), date_range(days, spec.timezone))
    rows = layout.rows(sizes, header.height, ())
    top, bottom = rows.plots[0]
    split = bottom - round((bottom - top) * _DRAWDOWN_SHARE)
    box = Box(sizes.px(12), top, sizes.width, bottom)
    below = bottom - split + sizes.px(8)
    log = spec.y_scale == "log"
    y = value_scale(float(equity.min()), float(equity.max()), box, above=sizes.px(10), below=below, log=log)
    values = _value_ticks(y, split - sizes.px(6), spec, data, sizes)
    lowest = min(float(np.nanmin(drawdown, initial=0.0)), -_MIN_DRAWDOWN_RANGE)
    drawdown_y = value_scale(lowest, 0.0, box._replace(top=split), above=sizes.px(2), below=sizes.px(6))
    labels = [
        *map(number_format.axis_formatter(values, data.decimals), values),
        number_format.price(float(equity[-1]), data.decimals),
    ]
    drawdown_ticks = axes.whole_labels(
        drawdown_y, _drawdown_ticks(drawdown_y, drawdown, sizes), box._replace(top=split), sizes
    )
    left_axis = layout.axis_width(sizes, [number_format.short_percent(tick) for tick in drawdown_ticks])
    right = sizes.width - layout.axis_width(sizes, labels)
    box = box._replace(left=max(left_axis, sizes.px(12)))
    box = box._replace(right=max(right, box.left + 1))
    return EquityPlan(spec, theme, sizes, data, drawdown, summary, header, rows, box, y, drawdown_y, days)


def _curve(spec: ChartSpec) -> PriceData:
    """The curve as bars whose open, high, low and close are equal."""
    if not isinstance(spec.data, EquityCurve):
        raise RenderError("/data", "an equity chart needs time and equity")
    if not spec.data.time:
        raise RenderError("/data/time", "there are no values")
    if len(spec.data.equity) != len(spec.data.time):
        raise RenderError("/data/equity", f"{len(spec.data.equity)} values for {len(spec.data.time)} times")
    time = np.array(spec.data.time, np.int64)
    check_times(time)
    equity = checked_values("equity", np.array(spec.data.equity, np.float64))
    if spec.y_scale == "log" and equity.min() <= 0:
        raise RenderError("/y_scale", "a logarithmic scale needs equity above 0")
    bars = BarArrays(time, equity, equity, equity, equity)
    decimals = min(number_format.decimals_of(equity), 2 if np.abs(equity).max() >= 1 else 10)
    return PriceData(bars, bars, 1, decimals if spec.precision is None else spec.precision)


def _legend(data: PriceData, summary: DrawdownSummary, theme: Theme) -> list[LegendEntry]:
    equity = data.full.close
    first, last = float(equity[0]), float(equity[-1])
    spans = [("Equity", theme.muted), (number_format.price(last, data.decimals), theme.accent)]
    if first > 0:
        change = last / first - 1
        spans.append((number_format.percent(change, sign=True), theme.up if change >= 0 else theme.down))
    items = [LegendEntry(tuple(spans), theme.accent)]
    max_drawdown = number_format.percent(summary.max_drawdown)
    items.append(LegendEntry((("Max drawdown", theme.muted), (max_drawdown, theme.down)), theme.down))
    if summary.max_duration_span is not None:
        length = _span_text(data, summary.max_duration_span)
        items.append(LegendEntry((("Longest drawdown", theme.muted), (length, theme.text))))
    return items


def _span_text(data: PriceData, span: tuple[int, int]) -> str:
    """The duration from the first index of `span` to the second: 12 days, or 3.5 h below two days."""
    length = int(data.full.time[span[1]] - data.full.time[span[0]])
    if length >= 2 * _DAY_MS:
        return f"{length / _DAY_MS:,.0f} days"
    return f"{length / 3_600_000:.1f} h"


def draw_equity_chart(canvas: Canvas, plan: EquityPlan) -> None:
    """Draw from back to front: grid, longest drawdown, drawdown, equity, axes, header."""
    sizes, theme = plan.sizes, plan.theme
    x = IndexScale(plan.box.left, plan.box.right, len(plan.data.shown))
    upper = Plot(canvas, plan.box, x, plan.y, theme, sizes, plan.data)
    lower = Plot(canvas, plan.box._replace(top=round(plan.drawdown_y.top)), x, plan.drawdown_y, theme, sizes, plan.data)
    ticks = time_ticks(plan.calendar, x.slot, partial(width, font=sizes.strong), sizes.px(22))
    columns = axes.tick_columns(ticks, x.centers())
    values = _value_ticks(plan.y, plan.drawdown_y.top - sizes.px(6), plan.spec, plan.data, sizes)
    drawdown_ticks = _drawdown_ticks(plan.drawdown_y, plan.drawdown, sizes)
    axes.draw_grid(upper, values, columns)
    axes.draw_grid(lower, drawdown_ticks, ())
    _draw_max_duration(upper, plan)
    lower.band(np.zeros(len(plan.drawdown)), plan.drawdown, theme.down.faded(0.22))
    lower.line(plan.drawdown, theme.down, 1.2)
    lower.level(0.0, theme.border)
    draw_area(replace(upper, box=plan.box._replace(bottom=round(plan.drawdown_y.top))), plan.data.shown)
    _draw_extremes(upper, plan)
    axes.draw_separators(canvas, plan.rows, sizes, theme)
    _draw_axes(canvas, upper, values, lower, drawdown_ticks, plan)
    axis = Box(0, plan.rows.axis_top, sizes.width, sizes.height)
    axes.draw_time_labels(canvas, ticks, columns, axis, sizes, theme)
    draw_header(canvas, plan.header, sizes, theme)


def _value_ticks(scale: ValueScale, bottom: float, spec: ChartSpec, data: PriceData, sizes: Sizes) -> list[float]:
    """Labelled values of the equity axis, which ends at the pixel row `bottom`, above the drawdown."""
    return axis_ticks(
        upper_part(scale, bottom),
        sizes.px(42),
        number_format.smallest_step(data.decimals),
        exact=spec.precision is not None,
    )


def _drawdown_ticks(scale: ValueScale, drawdown: Floats, sizes: Sizes) -> list[float]:
    """Labelled values of the drawdown axis; none for a curve that never falls."""
    return [tick for tick in value_ticks(scale, sizes.px(15)) if tick <= 0] if (drawdown < 0).any() else []


def _draw_max_duration(plot: Plot, plan: EquityPlan) -> None:
    if plan.summary.max_duration_span is not None:
        start, end = (round(plot.x.at(index)) for index in plan.summary.max_duration_span)
        plot.canvas.box(Box(start, plot.box.top, end, plot.box.bottom).clipped(plot.box), plot.theme.down.faded(0.06))


def _draw_extremes(plot: Plot, plan: EquityPlan) -> None:
    """Draw dots at the peak and the trough of the deepest drawdown."""
    if plan.summary.max_drawdown >= 0:
        return
    for index, color in ((plan.summary.peak, plot.theme.up), (plan.summary.trough, plot.theme.down)):
        x, y = plot.x.at(index), plot.y.at(float(plan.data.full.close[index]))
        plot.canvas.shapes([circle(x, y, 4.2 * plot.sizes.unit)], plot.theme.background, plot.box)
        plot.canvas.shapes([circle(x, y, 3 * plot.sizes.unit)], color, plot.box)


def _draw_axes(
    canvas: Canvas, upper: Plot, values: list[float], lower: Plot, drawdown_ticks: list[float], plan: EquityPlan
) -> None:
    sizes, theme = plan.sizes, plan.theme
    if sizes.width - plan.box.right > sizes.px(8):
        last = float(plan.data.full.close[-1])
        column = Box(plan.box.right + sizes.px(2), plan.box.top, sizes.width, plan.box.bottom)
        tag = Tag(plan.y.at(last), (number_format.price(last, plan.data.decimals),), theme.accent)
        tag_boxes = draw_tags(canvas, place_tags([tag], column, sizes), plan.box.right, sizes, theme)
        shown = axes.whole_labels(plan.y, values, plan.box, sizes)
        axes.draw_value_labels(upper, shown, number_format.axis_formatter(values, plan.data.decimals), tag_boxes)
    if plan.box.left > sizes.px(12):
        for value in axes.whole_labels(plan.drawdown_y, drawdown_ticks, lower.box, sizes):
            baseline = round(plan.drawdown_y.at(value) + cap_height(sizes.label) / 2)
            x = plan.box.left - sizes.px(5)
            canvas.text(
                x, baseline, number_format.short_percent(value), sizes.label, theme.text_in(theme.down), "right"
            )


def equity_alt(plan: EquityPlan) -> str:
    """The alternative text: type, dates, equity, change, and the drawdowns with their dates."""
    equity, summary = plan.data.full.close, plan.summary
    count, last = (
        number_format.count_text(len(equity), "value"),
        number_format.price(float(equity[-1]), plan.data.decimals),
    )
    parts = [
        f"Equity chart, {count} from {date_range(plan.calendar, plan.spec.timezone)}",
        f"equity {last}",
    ]
    if equity[0] > 0:
        change = float(equity[-1] / equity[0] - 1)
        parts.append(f"{'up' if change >= 0 else 'down'} {number_format.percent(abs(change))}")
    if summary.max_drawdown < 0 and math.isfinite(summary.max_drawdown):
        recovered = "not recovered" if summary.recovery is None else f"recovered {_date(plan, summary.recovery)}"
        max_drawdown = number_format.percent(abs(summary.max_drawdown))
        dates = f"peak {_date(plan, summary.peak)}, trough {_date(plan, summary.trough)}"
        parts.append(f"deepest drawdown {max_drawdown} ({dates}, {recovered})")
    if (span := summary.max_duration_span) is not None:
        parts.append(f"longest drawdown {_span_text(plan.data, span)} from {_date(plan, span[0])}")
    name = chart_name(plan.spec)
    return (f"{name}: " if name else "") + ", ".join(parts) + "."


def _date(plan: EquityPlan, index: int) -> str:
    return format_instant(int(plan.calendar.local[index]), dates=plan.calendar.dates)
