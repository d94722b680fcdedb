"""Annotations: signals, orders with their risk and reward, lines and zones. What lies outside is left out and told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.charts.domain import HLine, OrderMark, SignalMark, VLine, Zone
from app.charts.rendering import numbers
from app.charts.rendering.canvas import Box
from app.charts.rendering.labels import Labels
from app.charts.rendering.marks import Placed, draw_signals
from app.charts.rendering.tags import Tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.charts.domain import Annotation
    from app.charts.rendering.color import Color
    from app.charts.rendering.plot import Plot
    from app.charts.rendering.price_data import PriceData
    from app.charts.rendering.scales import ValueScale
    from app.charts.rendering.theme import Theme

_FILL = 0.13
_ZONE_FILL = 0.08
_CAPTION_ROWS = 3


@dataclass(frozen=True, slots=True)
class Annotations:
    """The annotations that lie within the bars, with the shown bars they belong to."""

    signals: tuple[Placed, ...] = ()
    orders: tuple[tuple[OrderMark, int, int], ...] = ()
    levels: tuple[HLine, ...] = ()
    moments: tuple[tuple[VLine, int], ...] = ()
    zones: tuple[tuple[Zone, int, int], ...] = ()
    warnings: list[str] = field(default_factory=list)

    def prices(self) -> Iterator[float]:
        """Prices the scale should hold."""
        yield from (price for order, _, _ in self.orders for price in order_prices(order))
        yield from (level.price for level in self.levels)
        yield from (signal.price for signal in self.signals)


def order_prices(order: OrderMark) -> Iterator[float]:
    """Entry, stop and targets."""
    yield order.entry
    if order.stop is not None:
        yield order.stop
    yield from order.targets


def place(annotations: Sequence[Annotation], data: PriceData) -> Annotations:
    """Every annotation at its bar."""
    signals, orders, moments, zones = [], [], [], []
    warnings: list[str] = []
    for number, annotation in enumerate(annotations):
        if isinstance(annotation, HLine):
            continue
        first, last = _bars_of(annotation, data)
        if first is None or last is None:
            warnings.append(f"annotation {number} ({annotation.kind}) lies outside the bars and is not drawn")
        elif isinstance(annotation, SignalMark):
            price = float(data.shown.close[first]) if annotation.price is None else annotation.price
            signals.append(Placed(annotation.side, first, price, annotation.label, exact=annotation.price is not None))
        elif isinstance(annotation, OrderMark):
            orders.append((annotation, first, last))
        elif isinstance(annotation, VLine):
            moments.append((annotation, first))
        else:
            zones.append((annotation, first, last))
    levels = tuple(annotation for annotation in annotations if isinstance(annotation, HLine))
    return Annotations(tuple(signals), tuple(orders), levels, tuple(moments), tuple(zones), warnings)


def _bars_of(annotation: Annotation, data: PriceData) -> tuple[int | None, int | None]:
    """First and last shown bar of an annotation; None, None when no part of it lies within the data."""
    if isinstance(annotation, (SignalMark, VLine)):
        index = data.index_of(annotation.time)
        return index, index
    if isinstance(annotation, HLine):
        return 0, len(data.shown) - 1
    start, end = annotation.start, annotation.end
    first, last = int(data.full.time[0]), int(data.full.time[-1])
    end = last if end is None else end
    if end < start or end < first or start > last + data.bar_ms:
        return None, None
    return data.index_of(max(start, first)), data.index_of(min(end, last))


def outside(annotations: Annotations, scale: ValueScale) -> list[str]:
    """A warning for each price that the scale cannot hold."""
    missed = [price for price in annotations.prices() if not scale.shows(price)]
    return [f"an annotation at {price:g} lies outside the prices and is not drawn" for price in missed]


def draw_under(plot: Plot, annotations: Annotations) -> None:
    """What lies behind the bars: zones, and the risk and reward of orders."""
    zones = []
    for _, first, last in annotations.zones:
        left, right = _reach(plot, first, last)
        zones.append((Box(left, plot.box.top, right, plot.box.bottom), plot.theme.accent.faded(_ZONE_FILL)))
    stripes = []
    for order, first, last in annotations.orders:
        left, right = _reach(plot, first, last)
        if order.stop is not None:
            stripes.append(_stripe(plot, left, right, (order.entry, order.stop), plot.theme.down))
        if order.targets:
            farthest = max(order.targets, key=lambda target: abs(target - order.entry))
            stripes.append(_stripe(plot, left, right, (order.entry, farthest), plot.theme.up))
    plot.canvas.washes(zones)
    plot.canvas.washes(stripes)


def draw_over(plot: Plot, annotations: Annotations) -> None:
    """What lies on the bars: lines, then signals, then all names."""
    for _, index in annotations.moments:
        _moment(plot, index)
    for level in annotations.levels:
        plot.level(level.price, plot.theme.muted, (5, 3))
    for order, first, last in annotations.orders:
        _order(plot, order, *_reach(plot, first, last))
    labels = Labels(plot)
    draw_signals(plot, annotations.signals, labels)
    for line, index in annotations.moments:
        _caption(labels, line.label, plot.x.at(index))
    for zone, first, last in annotations.zones:
        _caption(labels, zone.label, sum(_reach(plot, first, last)) / 2)
    for level in annotations.levels:
        if plot.y.shows(level.price):
            _level_label(labels, level)


def price_tags(annotations: Annotations, scale: ValueScale, decimals: int, theme: Theme) -> list[Tag]:
    """Right-edge tags of orders and horizontal lines."""
    wishes = [(price, color, 1) for order, _, _ in annotations.orders for price, color in _order_lines(order, theme)]
    wishes += [(level.price, theme.muted, 2) for level in annotations.levels]
    return [
        Tag(scale.at(price), numbers.price(price, decimals), color, rank)
        for price, color, rank in wishes
        if scale.shows(price)
    ]


def _order_lines(order: OrderMark, theme: Theme) -> Iterator[tuple[float, Color]]:
    yield order.entry, theme.accent
    if order.stop is not None:
        yield order.stop, theme.down
    for target in order.targets:
        yield target, theme.up


def _reach(plot: Plot, first: int, last: int) -> tuple[int, int]:
    """Pixels from the start of one bar's slot to the end of another's."""
    slot = plot.x.slot
    left, right = round(plot.x.left + first * slot), round(plot.x.left + (last + 1) * slot)
    return left, min(max(right, left + 1), plot.box.right)


def _stripe(plot: Plot, left: int, right: int, prices: tuple[float, float], color: Color) -> tuple[Box, Color]:
    held = [min(max(price, plot.y.low), plot.y.high) for price in prices]
    top, bottom = sorted(round(plot.y.at(price)) for price in held)
    return Box(left, top, right, bottom).clipped(plot.box), color.faded(_FILL)


def _order(plot: Plot, order: OrderMark, left: int, right: int) -> None:
    """Entry, stop and targets as lines, dotted on to their tags where the order ended before."""
    for price, color in _order_lines(order, plot.theme):
        if plot.y.shows(price):
            plot.level_between(price, left, right, color)
            if right < plot.box.right:
                plot.level_between(price, right, plot.box.right, color.faded(0.7), (1, 3))


def _moment(plot: Plot, index: int) -> None:
    hairline = plot.metrics.hairline
    left = int(plot.x.at(index) - hairline / 2 + 0.5)
    plot.canvas.box(Box(left, plot.box.top, left + hairline, plot.box.bottom), plot.theme.muted.faded(0.7))


def _caption(labels: Labels, text: str, middle: float) -> None:
    """The name of a moment or a zone at the top of the plot, a row lower where another one is."""
    box = labels.plot.box
    across, down = labels.size(text)
    left = min(max(middle - across / 2, box.left), box.right - across)
    top = box.top + labels.plot.metrics.px(2)
    labels.write(text, labels.plot.theme.muted, [(left, top + row * down) for row in range(_CAPTION_ROWS)])


def _level_label(labels: Labels, level: HLine) -> None:
    """The name of a horizontal line at its left end: above it, else below it, else at its right end."""
    plot = labels.plot
    across, down = labels.size(level.label)
    line, hairline = round(plot.y.at(level.price)), plot.metrics.hairline
    above, below = line - down - hairline, line + 2 * hairline
    corners = [(left, top) for left in (plot.box.left, plot.box.right - across) for top in (above, below)]
    labels.write(level.label, plot.theme.muted, corners)
