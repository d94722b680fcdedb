"""Orders drawn as positions: lines of entry, stop and targets with tags, and zones of risk and reward."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.charts.domain import OrderMark, order_errors
from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.frame.price_tags import Tag
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.scales import ValueScale
from app.charts.rendering.plotting.theme import Theme

_FILL: Final = 0.13
_FADE: Final = 56
_FADE_STEPS: Final = 14
_MAX_EXTRA_DECIMALS: Final = 2
_LARGE_REWARD: Final = 100
_MAX_NAMES: Final = 3
_UP, _DOWN = "\N{UPWARDS ARROW}", "\N{DOWNWARDS ARROW}"


@dataclass(frozen=True, slots=True)
class Level:
    """A price of an order and how it is written. `reward` is its distance from the entry in risks (R).

    `distance` has its texts in per cent and in R, without those that are undefined.
    """

    role: str
    price: float
    text: str
    reward: float | None = None
    distance: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """An order from the start of slot `first` to the start of slot `last`.

    `risk` and `reward` are the prices at which the zones end that start at the entry: the stop and the farthest target,
    None without one or if it contradicts the side. `time_text` is the order's time where its true slot is not on the
    chart, else empty.
    """

    order: OrderMark
    levels: tuple[Level, ...]
    risk: float | None
    reward: float | None
    first: int = 0
    last: int = 1
    time_text: str = ""

    def placed(self, first: int, last: int, time_text: str = "") -> Position:
        """The order in other slots."""
        return replace(self, first=first, last=last, time_text=time_text)


def order_position(order: OrderMark, decimals: int) -> Position:
    """The order with its levels, before its slots are known; `decimals` are those of the instrument.

    A stop or target that contradicts the side is a level without a reward and without a zone.
    """
    invalid = {pointer for pointer, _ in order_errors(order)}
    stop = order.stop if "/stop" not in invalid else None
    valid_targets = [target for place, target in enumerate(order.targets) if f"/targets/{place}" not in invalid]
    risk = abs(order.entry - stop) if stop is not None else 0.0
    stops = () if order.stop is None else (order.stop,)
    texts = _texts((order.entry, *stops, *order.targets), decimals)
    levels = [Level("Entry", order.entry, next(texts))]
    levels += [Level("SL", price, next(texts), None, _distance(price, order.entry, None)) for price in stops]
    for place, target in enumerate(order.targets):
        reward = abs(target - order.entry) / risk if risk > 0 and f"/targets/{place}" not in invalid else None
        levels.append(Level(f"TP{place + 1}", target, next(texts), reward, _distance(target, order.entry, reward)))
    farthest = max(valid_targets, key=lambda target: abs(target - order.entry), default=None)
    return Position(order, tuple(levels), stop, farthest)


def order_warnings(order: OrderMark, number: int) -> Iterator[str]:
    """A warning for each price or time of the order that contradicts the others."""
    for pointer, rule in order_errors(order):
        name, _, place = pointer[1:].partition("/")
        if name == "to":
            yield f"annotation {number} (order): ends before it begins, so it is drawn as open"
        else:
            what = f"target {int(place) + 1}" if place else "the stop"
            yield f"annotation {number} (order): {what} {rule}, so it is drawn as a line without a zone"


def role_tags(positions: Sequence[Position], scale: ValueScale, theme: Theme) -> list[Tag]:
    """One tag for each different price of the orders, with an arrow if the price lies off the scale."""
    groups: dict[str, list[Level]] = {}
    for position in positions:
        for level in position.levels:
            groups.setdefault(level.text, []).append(level)
    return [_tag(members, scale, theme) for members in groups.values()]


def level_names(members: Iterable[Level]) -> str:
    """The roles of one price, joined: Entry, SL/TP1."""
    names = list(dict.fromkeys(level.role for level in members))
    more = "\N{HORIZONTAL ELLIPSIS}" if len(names) > _MAX_NAMES else ""
    return "/".join(names[:_MAX_NAMES]) + more


def signed_percent(fraction: float) -> str:
    """A fraction as a percentage with its sign and at least two significant digits: +0.35%, -0.012%."""
    size = abs(fraction) * 100
    if not 0 < size < 0.1:  # noqa: PLR2004 - from here on two decimals are two digits
        return number_format.percent(fraction, sign=True)
    text = next((f"{size:.{places}f}" for places in (3, 4, 5) if size >= 0.95 * 10.0 ** (1 - places)), f"{size:.1e}")
    return ("+" if fraction > 0 else number_format.MINUS) + text + "%"


def level_color(role: str, theme: Theme) -> Rgba:
    """The colour of an entry, a stop or a target."""
    if role == "Entry":
        return theme.accent
    return theme.down if role == "SL" else theme.up


def reach(plot: Plot, first: int, last: int) -> tuple[int, int]:
    """Pixel columns of the start of slot `first` and the start of slot `last`, at least one pixel apart."""
    slot = plot.x.slot
    left, right = round(plot.x.left + first * slot), round(plot.x.left + last * slot)
    return left, min(max(right, left + 1), plot.box.right)


def zone_boxes(plot: Plot, positions: Sequence[Position]) -> list[tuple[Box, Rgba]]:
    """Boxes of the risk and the reward of each position, without the ends that fade out."""
    boxes = []
    for zone in _zones(plot, positions):
        body = zone.box._replace(top=zone.box.top + zone.upper, bottom=zone.box.bottom - zone.lower)
        boxes.append((body, zone.color.faded(_FILL)))
    return boxes


def draw_fades(plot: Plot, positions: Sequence[Position]) -> None:
    """Draw the ends of zones whose stop or target lies off the scale, fading out. Overlapping ends are drawn once."""
    ends: dict[tuple[Rgba, int, int], list[tuple[int, int]]] = defaultdict(list)
    for zone in _zones(plot, positions):
        for length, edge in ((zone.upper, plot.box.top), (-zone.lower, plot.box.bottom)):
            if length:
                ends[zone.color, edge, length].append((zone.box.left, zone.box.right))
    for (color, edge, length), spans in ends.items():
        for left, right in _union(spans):
            for step in range(_FADE_STEPS):
                rows = sorted(edge + length * part // _FADE_STEPS for part in (step, step + 1))
                share = color.faded(_FILL * (step + 0.5) / _FADE_STEPS)
                plot.canvas.box(Box(left, rows[0], right, rows[1]), share)


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The union of the spans of pixel columns, from left to right without overlaps."""
    union: list[tuple[int, int]] = []
    for left, right in sorted(spans):
        if union and left <= union[-1][1]:
            union[-1] = (union[-1][0], max(right, union[-1][1]))
        else:
            union.append((left, right))
    return union


def draw_levels(plot: Plot, positions: Sequence[Position]) -> None:
    """Draw lines of entry, stop and targets, dotted from the end of the order to the axis."""
    for position in positions:
        left, right = reach(plot, position.first, position.last)
        for level in reversed(position.levels):
            if plot.y.shows(level.price):
                color = level_color(level.role, plot.theme)
                plot.level_between(level.price, left, right, color)
                if right < plot.box.right:
                    plot.level_between(level.price, right, plot.box.right, plot.theme.faint(color, 0.7), (1, 3))


def level_boxes(plot: Plot, positions: Sequence[Position]) -> list[Box]:
    """Boxes of the lines of entry, stop and targets."""
    boxes = []
    for position in positions:
        left, right = reach(plot, position.first, position.last)
        for level in position.levels:
            if plot.y.shows(level.price):
                top = round(plot.y.at(level.price) - plot.sizes.hairline / 2)
                boxes.append(Box(left, top, right, top + plot.sizes.hairline))
    return boxes


def _tag(members: Sequence[Level], scale: ValueScale, theme: Theme) -> Tag:
    level = members[0]
    parts = next((one for one in members if one.reward is not None), level).distance
    base = f"{level_names(members)} {level.text}"
    # The first step of shortening leaves out R, the second the percentage.
    texts = [" ".join((base, *parts[:count])) for count in ((2, 1, 0) if parts else (0,))]
    above, below = level.price > scale.high, level.price < scale.low
    arrow = f"{_UP} " if above else f"{_DOWN} " if below else ""
    rank = 0 if level.role == "Entry" else 1 if level.role == "SL" else 1 + int(level.role[2:])
    return Tag(scale.at(level.price), tuple(arrow + one for one in texts), level_color(level.role, theme), rank, "role")


def _distance(price: float, entry: float, reward: float | None) -> tuple[str, ...]:
    """Texts of the distance from the entry to a price in per cent and in R, without undefined ones."""
    parts = []
    if entry:
        parts.append(signed_percent((price - entry) / abs(entry)))
    if reward is not None:
        parts.append(f"{reward:.1f}R" if reward < _LARGE_REWARD else f"{reward:,.0f}R")
    return tuple(parts)


def _texts(prices: Sequence[float], decimals: int) -> Iterator[str]:
    """The prices with the instrument's decimals, or up to two more where different ones would look the same."""
    different = len(set(prices))
    for more in range(_MAX_EXTRA_DECIMALS + 1):
        texts = [number_format.price(price, decimals + more) for price in prices]
        if len(set(texts)) == different:
            break
    return iter(texts)


@dataclass(frozen=True, slots=True)
class _Zone:
    """The part of a zone inside the plot. It fades out over `upper` pixels at its top and `lower` at its bottom."""

    box: Box
    color: Rgba
    upper: int
    lower: int


def _zones(plot: Plot, positions: Sequence[Position]) -> Iterator[_Zone]:
    for position in positions:
        left, right = reach(plot, position.first, position.last)
        for price, color in ((position.risk, plot.theme.down), (position.reward, plot.theme.up)):
            if price is None:
                continue
            top, bottom = sorted(round(plot.y.at(one)) for one in (position.order.entry, price))
            box = Box(left, top, right, bottom).clipped(plot.box)
            if box.width > 0 and box.height > 0:
                over, under = top < plot.box.top, bottom > plot.box.bottom
                fade = min(plot.sizes.px(_FADE), box.height // (2 if over and under else 1))
                yield _Zone(box, color, fade * over, fade * under)
