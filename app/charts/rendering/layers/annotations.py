"""Annotations: signals, orders with their risk and reward, lines and zones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from app.charts.domain import Annotation, HLine, OrderMark, SignalMark, VLine, Zone
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.frame.price_tags import Tag
from app.charts.rendering.frame.time_ticks import calendar, format_instant
from app.charts.rendering.layers.free_slots import POSITION_SLOTS
from app.charts.rendering.layers.labels import Labels
from app.charts.rendering.layers.marks import PlacedSignal, draw_signals
from app.charts.rendering.layers.positions import (
    Position,
    draw_fades,
    draw_levels,
    level_boxes,
    order_warnings,
    reach,
    role_tags,
    zone_boxes,
)
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.scales import ValueScale
from app.charts.rendering.plotting.theme import Theme
from app.charts.rendering.plotting.timeline import Slot, Timeline

_ZONE_FILL: Final = 0.08
_CAPTION_ROWS: Final = 3
_LEVEL_RANK: Final = 60
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations that lie on the chart, with their slots. `vlines` and `zones` have slot indices."""

    signals: tuple[PlacedSignal, ...] = ()
    positions: tuple[Position, ...] = ()
    levels: tuple[HLine, ...] = ()
    vlines: tuple[tuple[VLine, int], ...] = ()
    zones: tuple[tuple[Zone, int, int], ...] = ()
    warnings: list[str] = field(default_factory=list)

    def prices(self) -> Iterator[float]:
        """Prices that the scale should include."""
        yield from (level.price for position in self.positions for level in position.levels)
        yield from (level.price for level in self.levels)
        yield from (signal.price for signal in self.signals)


def locate_annotations(
    annotations: Sequence[Annotation], orders: Iterable[Position], data: PriceData, timeline: Timeline, zone: str
) -> Annotations:
    """Find the slot of each annotation. Annotations outside the slots are left out, with a warning.

    `orders` are the positions of the orders among the annotations, in the same sequence.
    """
    warnings: list[str] = []
    positions = []
    order_numbers = (number for number, one in enumerate(annotations) if isinstance(one, OrderMark))
    for number, order in zip(order_numbers, orders, strict=True):
        if (placed_order := _position(order, timeline, zone)) is not None:
            positions.append(placed_order)
            warnings += order_warnings(order.order, number)
    drawn = {id(placed_order.order) for placed_order in positions}
    signals, vlines, zones = [], [], []
    for number, annotation in enumerate(annotations):
        if isinstance(annotation, SignalMark) and (mark := _signal(annotation, data, timeline, zone, positions)):
            signals.append(mark)
        elif isinstance(annotation, VLine) and (slot := timeline.find(annotation.time)) and not slot.pinned:
            vlines.append((annotation, slot.index))
        elif isinstance(annotation, Zone) and (span := _span(annotation.start, annotation.end, timeline)):
            zones.append((annotation, *span))
        elif not isinstance(annotation, HLine) and id(annotation) not in drawn:
            warnings.append(f"annotation {number} ({annotation.kind}) lies outside the bars and is not drawn")
    levels = tuple(annotation for annotation in annotations if isinstance(annotation, HLine))
    return Annotations(tuple(signals), tuple(positions), levels, tuple(vlines), tuple(zones), warnings)


def _position(position: Position, timeline: Timeline, zone: str) -> Position | None:
    """The order from its start to its end, at least 10 slots wide; None if it ended before the first bar."""
    order = position.order
    start = timeline.find(order.start)
    last = timeline.slots
    if order.end is not None and order.end >= order.start:
        end = timeline.find(order.end)
        if end is None:
            return None
        last = timeline.slots if end.pinned else end.index + 1
    if start is None:
        return position.placed(0, max(last, POSITION_SLOTS))
    time_text = _time_text(order.start, timeline, zone) if start.pinned else ""
    return position.placed(start.index, max(last, start.index + POSITION_SLOTS), time_text)


def _signal(
    mark: SignalMark, data: PriceData, timeline: Timeline, zone: str, positions: Iterable[Position]
) -> PlacedSignal | None:
    """The signal in its slot; None before the first bar, unless it starts an order that is drawn."""
    slot = timeline.find(mark.time)
    own_orders = [
        order
        for order in (position.order for position in positions)
        if (order.start, order.side) == (mark.time, mark.side)
    ]
    if slot is None:
        if not own_orders:
            return None
        slot = Slot(0, pinned=True)
    row = min(slot.index, timeline.bars - 1)
    price = float(data.shown.close[row]) if mark.price is None else mark.price
    on_entry_line = any(order.entry == price for order in own_orders)
    time_text = _time_text(mark.time, timeline, zone) if slot.pinned else ""
    return PlacedSignal(mark.side, slot.index, price, mark.label, mark.price is not None, time_text, on_entry_line)


def _span(start: int, end: int, timeline: Timeline) -> tuple[int, int] | None:
    """First and last slot of a span of time; None if no part of it lies within the slots."""
    first, last = timeline.find(start), timeline.find(end)
    if end < start or last is None or (first is not None and first.pinned):
        return None
    return (first.index if first is not None else 0), last.index


def _time_text(instant: int, timeline: Timeline, zone: str) -> str:
    """Date and time of day, without seconds where bars last a minute or longer."""
    if timeline.length >= _MINUTE_MS:
        instant -= instant % _MINUTE_MS
    days = calendar(np.array([instant], np.int64), zone)
    return format_instant(int(days.local[0]), dates=days.dates)


def off_scale_warnings(annotations: Annotations, scale: ValueScale, decimals: int) -> list[str]:
    """A warning for each price off the scale that has no tag of an order."""
    prices = [level.price for level in annotations.levels]
    prices += [signal.price for signal in annotations.signals if not signal.on_entry_line]
    off_scale = [price for price in prices if not scale.shows(price)]
    texts = (number_format.price(price, decimals) for price in off_scale)
    return [f"an annotation at {text} lies outside the prices and is not drawn" for text in texts]


def draw_behind_bars(plot: Plot, annotations: Annotations) -> None:
    """Draw the layers behind the bars: zones, and the risk and reward of orders."""
    zones = []
    for _, first, last in annotations.zones:
        left, right = reach(plot, first, last + 1)
        zones.append((Box(left, plot.box.top, right, plot.box.bottom), plot.theme.accent.faded(_ZONE_FILL)))
    plot.canvas.translucent_boxes(zones)
    plot.canvas.translucent_boxes(zone_boxes(plot, annotations.positions))
    draw_fades(plot, annotations.positions)


def draw_over_bars(plot: Plot, annotations: Annotations) -> None:
    """Draw the layers over the bars: lines, then signals, then all labels."""
    for _, index in annotations.vlines:
        plot.canvas.box(_vline_box(plot, index), plot.theme.faint(plot.theme.muted, 0.7))
    for level in annotations.levels:
        plot.level(level.price, plot.theme.muted, (5, 3))
    draw_levels(plot, annotations.positions)
    labels = Labels(plot, level_boxes(plot, annotations.positions), _line_boxes(plot, annotations))
    draw_signals(plot, annotations.signals, labels)
    for line, index in annotations.vlines:
        _vline_label(labels, line.label, _vline_box(plot, index))
    for position in annotations.positions:
        if position.time_text and not any(signal.time_text == position.time_text for signal in annotations.signals):
            _caption(labels, position.time_text, plot.x.at(position.first))
    for zone, first, last in annotations.zones:
        _caption(labels, zone.label, sum(reach(plot, first, last + 1)) / 2)
    for level in annotations.levels:
        if plot.y.shows(level.price):
            _level_label(labels, level)


def price_tags(annotations: Annotations, scale: ValueScale, data: PriceData, theme: Theme) -> list[Tag]:
    """Tags on the price axis: of orders, and of horizontal lines unless an order or the last close has the price."""
    tags = role_tags(annotations.positions, scale, theme)
    texts_in_use = {*_order_price_texts(annotations), number_format.price(data.last_close, data.decimals)}
    for level in annotations.levels:
        text = number_format.price(level.price, data.decimals)
        if scale.shows(level.price) and text not in texts_in_use:
            texts_in_use.add(text)
            tags.append(Tag(scale.at(level.price), (text,), theme.muted, _LEVEL_RANK))
    return tags


def at_price_of_order(annotations: Annotations, data: PriceData) -> bool:
    """Whether an order has a price whose text equals that of the last close, so that one tag serves both."""
    return number_format.price(data.last_close, data.decimals) in _order_price_texts(annotations)


def _order_price_texts(annotations: Annotations) -> set[str]:
    """The prices of orders as their tags write them."""
    return {level.text for position in annotations.positions for level in position.levels}


def _line_boxes(plot: Plot, annotations: Annotations) -> list[Box]:
    """Boxes of vertical and horizontal lines and of the line of the last close."""
    boxes = [_vline_box(plot, index) for _, index in annotations.vlines]
    hairline = plot.sizes.hairline
    for price in (*(level.price for level in annotations.levels), plot.data.last_close):
        if plot.y.shows(price):
            top = round(plot.y.at(price) - hairline / 2)
            boxes.append(Box(plot.box.left, top, plot.box.right, top + hairline))
    return boxes


def _vline_box(plot: Plot, index: int) -> Box:
    hairline = plot.sizes.hairline
    left = int(plot.x.at(index) - hairline / 2 + 0.5)
    return Box(left, plot.box.top, left + hairline, plot.box.bottom)


def _vline_label(labels: Labels, text: str, line: Box) -> None:
    """Write the label of a vertical line beside it at the top of the plot, in the first of three rows that is free."""
    plot = labels.plot
    across, down = labels.size(text)
    top = plot.box.top + plot.sizes.px(2)
    rows = (top + row * down for row in range(_CAPTION_ROWS))
    labels.write(text, plot.theme.muted, [(left, row) for row in rows for left in (line.right, line.left - across)])


def _caption(labels: Labels, text: str, middle: float) -> None:
    """Write the label of a zone or the time of an order at the top of the plot, in the first free of three rows."""
    box = labels.plot.box
    across, down = labels.size(text)
    left = min(max(middle - across / 2, box.left), box.right - across)
    top = box.top + labels.plot.sizes.px(2)
    labels.write(text, labels.plot.theme.muted, [(left, top + row * down) for row in range(_CAPTION_ROWS)])


def _level_label(labels: Labels, level: HLine) -> None:
    """Write the label of a horizontal line at its left end, above or below it, else at its right end."""
    plot = labels.plot
    across, down = labels.size(level.label)
    line, hairline = round(plot.y.at(level.price)), plot.sizes.hairline
    above, below = line - down - hairline, line + 2 * hairline
    corners = [(left, top) for left in (plot.box.left, plot.box.right - across) for top in (above, below)]
    labels.write(level.label, plot.theme.muted, corners)
