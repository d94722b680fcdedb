"""The plan of a price chart: everything that is decided before the first pixel is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.charts.rendering import annotations as marks
from app.charts.rendering import layout, numbers
from app.charts.rendering.canvas import Box
from app.charts.rendering.header import header, timeframes
from app.charts.rendering.legend import Item
from app.charts.rendering.marks import mark_room
from app.charts.rendering.metrics import metrics_of
from app.charts.rendering.overlays import overlay_studies
from app.charts.rendering.panels import panel_studies, panel_weight
from app.charts.rendering.price_data import price_data
from app.charts.rendering.scales import value_scale
from app.charts.rendering.tags import Tag
from app.charts.rendering.theme import theme_of
from app.charts.rendering.time_ticks import calendar, covered
from app.charts.rendering.value_ticks import value_ticks

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.charts.domain import ChartSpec
    from app.charts.rendering.annotations import Annotations
    from app.charts.rendering.header import Header
    from app.charts.rendering.layout import Rows
    from app.charts.rendering.metrics import Metrics
    from app.charts.rendering.price_data import PriceData
    from app.charts.rendering.scales import ValueScale
    from app.charts.rendering.studies import PanelStudy, Study
    from app.charts.rendering.theme import Theme
    from app.charts.rendering.time_ticks import Calendar

_BAR_PIXELS: Final = 2
_POINT_PIXELS: Final = 1
STRIP: Final = 18
_TICK_GAP: Final = 38
_PANEL_TICK_GAP: Final = 22
_BREATH: Final = 10
_FARTHEST: Final = 1.5
_STUDY_REACH: Final = 1.0
_FLAT_SHARE: Final = 0.02
_MOST_MARGIN: Final = 0.22


@dataclass(frozen=True, slots=True)
class PlotPlan:
    """One plot: its box, its scale, the values labelled on its axis."""

    box: Box
    y: ValueScale
    ticks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PricePlan:
    """A price chart before it is drawn. `plots` has the main plot first, then one for each of `panels`."""

    spec: ChartSpec
    theme: Theme
    metrics: Metrics
    data: PriceData
    overlays: tuple[Study, ...]
    panels: tuple[PanelStudy, ...]
    annotations: Annotations
    head: Header
    rows: Rows
    plots: tuple[PlotPlan, ...]
    tags: tuple[Tag, ...]
    calendar: Calendar

    @property
    def right(self) -> int:
        """First pixel of the price axis."""
        return self.plots[0].box.right


def plan_price(spec: ChartSpec) -> PricePlan:
    """Decide the picture; RenderError for what cannot be drawn."""
    theme, metrics, data = theme_of(spec), metrics_of(spec), price_data(spec)
    overlays = overlay_studies(spec, data, theme)
    left = metrics.px(12)
    data = data.coarser((_first_right(metrics, data) - left) // bar_pixels(data))
    dates = covered(calendar(data.full.time, spec.timezone), spec.timezone)
    timeframe = timeframes(spec, data.bar_ms, data.factor)
    head = header(spec, metrics, quote(data, theme), [study.legend for study in overlays], dates, timeframe)
    rows = layout.rows(metrics, head.height, [panel_weight(panel) for panel in spec.panels])
    annotations = marks.place(spec.annotations, data)
    panels = panel_studies(spec, data, theme)[: len(rows.plots) - 1]
    boxes = [Box(left, top, left + 1, bottom) for top, bottom in rows.plots]
    main = _main_plot(boxes[0], spec, data, overlays, annotations, metrics)
    plots = [main, *(_panel_plot(box, panel, metrics) for box, panel in zip(boxes[1:], panels, strict=True))]
    tags = (_last_price(data, main.y, theme), *marks.price_tags(annotations, main.y, data.decimals, theme))
    right = metrics.width - layout.axis_width(metrics, [*_labels(plots, panels, data), *(tag.text for tag in tags)])
    return PricePlan(
        spec,
        theme,
        metrics,
        data,
        tuple(overlays),
        tuple(panels),
        annotations,
        head,
        rows,
        tuple(PlotPlan(plot.box._replace(right=max(right, left + 1)), plot.y, plot.ticks) for plot in plots),
        tags,
        calendar(data.shown.time, spec.timezone),
    )


def quote(data: PriceData, theme: Theme) -> list[Item]:
    """The last bar in numbers: open, high, low, close, and the change from the close before."""
    bars = data.full
    opened, close = float(bars.open[-1]), float(bars.close[-1])
    before = float(bars.close[-2]) if len(bars) > 1 else opened
    color = theme.up if close >= opened else theme.down
    values = [("O", opened), ("H", float(bars.high[-1])), ("L", float(bars.low[-1])), ("C", close)]
    if data.closes_only:
        values = values[-1:]
    items = [Item(((name, theme.muted), (numbers.price(value, data.decimals), color))) for name, value in values]
    if before:
        change = (close - before) / abs(before)
        items.append(Item(((numbers.percent(change, sign=True), theme.up if change >= 0 else theme.down),)))
    if data.brick is not None:
        size = numbers.price(data.brick, max(data.decimals, numbers.decimals_for(data.brick) - 1))
        items.append(Item((("Brick", theme.muted), (size, theme.text))))
    return items


def bar_pixels(data: PriceData) -> int:
    """Real pixels a bar needs to be told from its neighbours; the points of a line need less."""
    return _POINT_PIXELS if data.closes_only else _BAR_PIXELS


def _first_right(metrics: Metrics, data: PriceData) -> int:
    """A first guess of where the price axis begins, from the bars alone."""
    ends = (float(data.lows.min()), float(data.highs.max()))
    return metrics.width - layout.axis_width(metrics, [numbers.price(end, data.decimals) for end in ends])


def _main_plot(
    box: Box,
    spec: ChartSpec,
    data: PriceData,
    overlays: Sequence[Study],
    annotations: Annotations,
    metrics: Metrics,
) -> PlotPlan:
    log = spec.y_scale == "log"
    ends = [(study.low, study.high) for study in overlays]
    low, high = _price_range(data, ends, annotations.prices(), log=log)
    above = metrics.px(_BREATH) + mark_room(annotations.signals, "sell", metrics.unit)
    below = metrics.px(_BREATH) + mark_room(annotations.signals, "buy", metrics.unit)
    most = box.height * _MOST_MARGIN
    y = value_scale(low, high, box, above=min(above, most), below=min(below, most), log=log)
    return PlotPlan(box, y, tuple(value_ticks(y, metrics.px(_TICK_GAP), numbers.finest(data.decimals))))


def _price_range(
    data: PriceData, studies: Iterable[tuple[float, float]], prices: Iterable[float], *, log: bool
) -> tuple[float, float]:
    """From the lowest to the highest bar, widened for overlays and annotations that are not too far away."""
    first, last = float(data.lows.min()), float(data.highs.max())
    span = max(last - first, abs(last) * _FLAT_SHARE)
    low, high = first, last
    for bottom, top in studies:
        if not math.isnan(bottom):
            low = min(low, max(bottom, first - _STUDY_REACH * span))
            high = max(high, min(top, last + _STUDY_REACH * span))
    for price in prices:
        if first - _FARTHEST * span <= price <= last + _FARTHEST * span:
            low, high = min(low, price), max(high, price)
    return (max(low, first / 4), high) if log else (low, high)


def _panel_plot(box: Box, panel: PanelStudy, metrics: Metrics) -> PlotPlan:
    """A panel keeps a strip at its top free for its legend."""
    known = math.isfinite(panel.low)
    low, high = (panel.low, panel.high) if known else (0.0, 1.0)
    below = 0 if panel.floored else metrics.px(4)
    y = value_scale(low, high, box, above=metrics.px(STRIP) + metrics.px(2), below=below)
    ticks = panel.ticks if panel.ticks is not None else value_ticks(y, metrics.px(_PANEL_TICK_GAP)) if known else ()
    strip = box._replace(top=box.top + metrics.px(STRIP) // 2)
    return PlotPlan(
        box, y, tuple(tick for tick in ticks if y.at(tick) >= strip.top and (tick > low or not panel.floored))
    )


def _last_price(data: PriceData, y: ValueScale, theme: Theme) -> Tag:
    close = data.last_close
    color = theme.up if data.full.close[-1] >= data.full.open[-1] else theme.down
    return Tag(y.at(close), numbers.price(close, data.decimals), color, 0)


def _labels(plots: Sequence[PlotPlan], panels: Sequence[PanelStudy], data: PriceData) -> list[str]:
    labels = [numbers.price(tick, data.decimals) for tick in plots[0].ticks]
    for plot, panel in zip(plots[1:], panels, strict=True):
        labels += [panel.text(tick) for tick in plot.ticks]
    return labels
