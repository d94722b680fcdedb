"""The plan of a price chart: data, texts, scales and layout, computed before drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.charts.domain import ChartSpec, OrderMark
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.charts.price_range import price_range
from app.charts.rendering.frame import axes, layout
from app.charts.rendering.frame.header import Header, plan_header, timeframe_pair
from app.charts.rendering.frame.layout import Rows
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.frame.price_tags import (
    Tag,
    TagColumn,
    leader_width,
    place_tags,
    price_axis_width,
)
from app.charts.rendering.frame.time_ticks import Calendar, calendar, date_range
from app.charts.rendering.frame.value_ticks import axis_ticks, value_ticks
from app.charts.rendering.layers import annotations as marks
from app.charts.rendering.layers.annotations import Annotations
from app.charts.rendering.layers.free_slots import timeline_for
from app.charts.rendering.layers.marks import mark_margin
from app.charts.rendering.layers.overlays import overlay_studies
from app.charts.rendering.layers.panels import panel_studies, panel_weight
from app.charts.rendering.layers.positions import Position, order_position, role_tags
from app.charts.rendering.layers.studies import PanelStudy, Study
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.price_data import PriceData, price_data
from app.charts.rendering.plotting.scales import (
    IndexScale,
    ValueScale,
    value_scale,
    widened,
)
from app.charts.rendering.plotting.sizes import Sizes, sizes_of
from app.charts.rendering.plotting.theme import Theme, theme_of
from app.charts.rendering.plotting.timeline import Timeline

_BAR_PIXELS: Final = 3
_BRICK_PIXELS: Final = 2
_POINT_PIXELS: Final = 1
LEGEND_STRIP: Final = 18
_TICK_GAP: Final = 38
_PANEL_TICK_GAPS: Final = (22, 15, 10, 7)
_MIN_PANEL_LABELS: Final = 2
_PADDING: Final = 10
_LAST_PRICE_RANK: Final = 40
_MAX_MARGIN_SHARE: Final = 0.22


@dataclass(frozen=True, slots=True)
class PlotPlan:
    """One plot: its box, its scale, the labelled values of its axis and their texts."""

    box: Box
    y: ValueScale
    ticks: tuple[float, ...]
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PricePlan:
    """A price chart before it is drawn. `plots` has the main plot first, then one for each of `panels`."""

    spec: ChartSpec
    theme: Theme
    sizes: Sizes
    data: PriceData
    overlays: tuple[Study, ...]
    panels: tuple[PanelStudy, ...]
    annotations: Annotations
    header: Header
    rows: Rows
    plots: tuple[PlotPlan, ...]
    tags: TagColumn
    last_color: Rgba
    calendar: Calendar
    timeline: Timeline

    @property
    def right(self) -> int:
        """First pixel column of the price axis."""
        return self.plots[0].box.right


def plan_price(spec: ChartSpec) -> PricePlan:
    """Lay out the chart. Raises RenderError for a value that cannot be drawn."""
    theme, sizes, data = theme_of(spec), sizes_of(spec), price_data(spec)
    overlays = overlay_studies(spec, data, theme)
    left = sizes.px(12)
    orders = [order_position(order, data.decimals) for order in spec.annotations if isinstance(order, OrderMark)]
    estimated_right = _estimated_right(sizes, data, orders, theme)
    max_slots = (estimated_right - left) // bar_pixels(data)
    data, timeline = timeline_for(data, spec.annotations, spec.right_offset, max_slots)
    dates = date_range(calendar(data.full.time, spec.timezone), spec.timezone)
    timeframe = timeframe_pair(spec, data.bar_ms, data.factor)
    header = plan_header(
        spec, sizes, quote_entries(data, theme), [study.legend for study in overlays], dates, timeframe
    )
    rows = layout.rows(sizes, header.height, [panel_weight(panel) for panel in spec.panels])
    annotations = marks.locate_annotations(spec.annotations, orders, data, timeline, spec.timezone)
    panels = panel_studies(spec, data, theme)[: len(rows.plots) - 1]
    boxes = [Box(left, top, left + 1, bottom) for top, bottom in rows.plots]
    x = IndexScale(left, estimated_right, timeline.bars, timeline.free_slots)
    main = _main_plot(boxes[0], spec, data, overlays, annotations, sizes, x)
    plots = [main, *(_panel_plot(box, panel, sizes) for box, panel in zip(boxes[1:], panels, strict=True))]
    formats = [number_format.axis_formatter(main.ticks, data.decimals)]
    formats += [panel.label_format(plot.ticks) for panel, plot in zip(panels, plots[1:], strict=True)]
    plots = [replace(plot, texts=tuple(map(text, plot.ticks))) for plot, text in zip(plots, formats, strict=True)]
    tags, right = _tags(plots, annotations, data, sizes, theme)
    return PricePlan(
        spec,
        theme,
        sizes,
        data,
        tuple(overlays),
        tuple(panels),
        annotations,
        header,
        rows,
        tuple(replace(plot, box=plot.box._replace(right=max(right, left + 1))) for plot in plots),
        tags,
        _last_color(data, theme),
        calendar(timeline.opens(), spec.timezone),
        timeline,
    )


def quote_entries(data: PriceData, theme: Theme) -> list[LegendEntry]:
    """Legend entries of the last bar: open, high, low, close, and the change from the close before."""
    bars = data.full
    opened, close = float(bars.open[-1]), float(bars.close[-1])
    before = float(bars.close[-2]) if len(bars) > 1 else opened
    color = theme.up if close >= opened else theme.down
    values = [("O", opened), ("H", float(bars.high[-1])), ("L", float(bars.low[-1])), ("C", close)]
    if data.closes_only:
        values, color = values[-1:], _last_color(data, theme)
    items = [
        LegendEntry(((name, theme.muted), (number_format.price(value, data.decimals), color))) for name, value in values
    ]
    if before:
        change = (close - before) / abs(before)
        items.append(
            LegendEntry(((number_format.percent(change, sign=True), theme.up if change >= 0 else theme.down),))
        )
    if data.brick is not None:
        size = number_format.price(data.brick, max(data.decimals, number_format.decimals_for(data.brick) - 1))
        items.append(LegendEntry((("Brick", theme.muted), (size, theme.text))))
    return items


def bar_pixels(data: PriceData) -> int:
    """The fewest pixels per bar: 3 for a body around a wick, 2 for a brick, 1 for a point of a line."""
    if data.brick is not None:
        return _BRICK_PIXELS
    return _POINT_PIXELS if data.closes_only else _BAR_PIXELS


def _estimated_right(sizes: Sizes, data: PriceData, orders: Sequence[Position], theme: Theme) -> int:
    """An estimate of the first pixel column of the price axis, from the bars and the tags of orders."""
    ends = (float(data.lows.min()), float(data.highs.max()))
    tags = role_tags(orders, ValueScale(*widened(*ends), 0, 1), theme)
    return sizes.width - price_axis_width(sizes, [number_format.price(end, data.decimals) for end in ends], tags)[0]


def _main_plot(
    box: Box,
    spec: ChartSpec,
    data: PriceData,
    overlays: Sequence[Study],
    annotations: Annotations,
    sizes: Sizes,
    x: IndexScale,
) -> PlotPlan:
    """The plot of the bars, with margins inside it for the arrows of signals."""
    log = spec.y_scale == "log"
    ends = [(study.low, study.high) for study in overlays]
    padding, max_margin = sizes.px(_PADDING), box.height * _MAX_MARGIN_SHARE
    above = below = min(float(padding), max_margin)
    # The margins for arrows depend on the scale, and the scale depends on the margins: two rounds are enough.
    for _ in range(2 if annotations.signals else 1):
        inner = max(1 - (above + below) / max(box.height, 1), 0.1)
        low, high = price_range(data, ends, annotations.prices(), inner, log=log)
        bare = ValueScale(*widened(low, high), box.top + above, max(box.bottom - below, box.top + above + 1), log)
        reach = mark_margin(annotations.signals, data, x, bare, sizes.unit)
        above, below = (min(max(margin, over), max_margin) for margin, over in zip((above, below), reach, strict=True))
    y = value_scale(low, high, box, above=above, below=below, log=log)
    ticks = axis_ticks(
        y, sizes.px(_TICK_GAP), number_format.smallest_step(data.decimals), exact=spec.precision is not None
    )
    return PlotPlan(box, y, tuple(ticks))


def _panel_plot(box: Box, panel: PanelStudy, sizes: Sizes) -> PlotPlan:
    """The plot of a panel, with a strip at its top free for the legend."""
    has_values = math.isfinite(panel.low)
    low, high = (panel.low, panel.high) if has_values else (0.0, 1.0)
    below = 0 if panel.low_at_bottom else sizes.px(4)
    y = value_scale(low, high, box, above=sizes.px(LEGEND_STRIP) + sizes.px(2), below=below)
    top = box.top + sizes.px(LEGEND_STRIP) // 2

    def fit_labels(values: Sequence[float]) -> tuple[float, ...]:
        """The values whose labels lie beside the plot and below its legend."""
        return tuple(value for value in values if y.at(value) >= top and (value > low or not panel.low_at_bottom))

    if panel.ticks is not None or not has_values:
        return PlotPlan(box, y, fit_labels(panel.ticks or ()))
    choices = (fit_labels(value_ticks(y, sizes.px(gap))) for gap in _PANEL_TICK_GAPS)
    return PlotPlan(box, y, _two_panel_labels(choices, y, box, sizes))


def _two_panel_labels(choices: Iterable[tuple[float, ...]], y: ValueScale, box: Box, sizes: Sizes) -> tuple[float, ...]:
    """The first choice of values of which two labels fit. Of a later, denser choice, only the labels that fit."""
    first: tuple[float, ...] | None = None
    for ticks in choices:
        labelled = axes.whole_labels(y, ticks, box, sizes)
        if len(labelled) >= _MIN_PANEL_LABELS:
            return ticks if first is None else tuple(labelled)
        first = ticks if first is None else first
    return first or ()


def _tags(
    plots: Sequence[PlotPlan],
    annotations: Annotations,
    data: PriceData,
    sizes: Sizes,
    theme: Theme,
) -> tuple[TagColumn, int]:
    """The placed tags of the price axis, and the first pixel column of the axis."""
    main = plots[0]
    tags = marks.price_tags(annotations, main.y, data, theme)
    if not marks.at_price_of_order(annotations, data):
        tags.append(_last_price(data, main.y, theme))
    needed, shortened = price_axis_width(sizes, [text for plot in plots for text in plot.texts], tags)
    right = sizes.width - needed
    if needed <= sizes.px(8):
        return TagColumn((), tuple(tags)), right
    column = Box(right + leader_width(sizes, tags), main.box.top, sizes.width, main.box.bottom)
    return place_tags(tags, column, sizes, shortened), right


def _last_color(data: PriceData, theme: Theme) -> Rgba:
    """The colour of the last bar, or of the last change of the close where only closes are drawn."""
    bars = data.full
    before = bars.close[-2] if data.closes_only and len(bars) > 1 else bars.open[-1]
    return theme.up if float(bars.close[-1]) >= float(before) else theme.down


def _last_price(data: PriceData, y: ValueScale, theme: Theme) -> Tag:
    close = data.last_close
    text = number_format.price(close, data.decimals)
    return Tag(y.at(close), (text,), _last_color(data, theme), _LAST_PRICE_RANK, "last")
