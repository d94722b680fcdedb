"""The chart spec, its canonical form, and the chart id derived from it. Pure: standard library only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from app.market.domain import Bars

ChartType = Literal["candlestick", "ohlc", "line", "area", "heikin_ashi", "renko", "equity", "histogram"]
ImageFormat = Literal["png", "webp", "svg"]
Side = Literal["buy", "sell"]
Theme = Literal["light", "dark", "colorblind"]

PRICE_TYPES: Final = ("candlestick", "ohlc", "line", "area", "heikin_ashi", "renko")


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """Account equity over time. `time` in epoch milliseconds, strictly increasing; `equity` in account currency."""

    time: tuple[int, ...]
    equity: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """The values of a histogram. None is a missing value."""

    values: tuple[float | None, ...]


ChartData = Bars | EquityCurve | Sample


@dataclass(frozen=True, slots=True)
class MovingAverage:
    """A moving average. `color` is #rrggbb, None: the theme's next colour. `width` of the line in CSS pixels."""

    kind: Literal["sma", "ema", "wma"]
    period: int = 20
    color: str | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Bollinger:
    period: int = 20
    multiplier: float = 2.0
    kind: Literal["bollinger"] = "bollinger"
    color: str | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Vwap:
    kind: Literal["vwap"] = "vwap"
    color: str | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class VolumeProfile:
    rows: int = 48
    kind: Literal["volume_profile"] = "volume_profile"
    color: str | None = None


Overlay = MovingAverage | Bollinger | Vwap | VolumeProfile


@dataclass(frozen=True, slots=True)
class VolumePanel:
    kind: Literal["volume"] = "volume"


@dataclass(frozen=True, slots=True)
class RsiPanel:
    period: int = 14
    kind: Literal["rsi"] = "rsi"


@dataclass(frozen=True, slots=True)
class MacdPanel:
    fast: int = 12
    slow: int = 26
    signal: int = 9
    kind: Literal["macd"] = "macd"


@dataclass(frozen=True, slots=True)
class AtrPanel:
    period: int = 14
    kind: Literal["atr"] = "atr"


@dataclass(frozen=True, slots=True)
class DrawdownPanel:
    kind: Literal["drawdown"] = "drawdown"


Panel = VolumePanel | RsiPanel | MacdPanel | AtrPanel | DrawdownPanel


@dataclass(frozen=True, slots=True)
class SignalMark:
    """A signal. `time` in epoch milliseconds. Without a price the mark is drawn at the close of its bar."""

    side: Side
    time: int
    price: float | None = None
    label: str = ""
    kind: Literal["signal"] = "signal"


@dataclass(frozen=True, slots=True)
class OrderMark:
    """An order with its stop and targets. `start` and `end` in epoch milliseconds. `end` None: the order is open."""

    side: Side
    entry: float
    start: int
    stop: float | None = None
    targets: tuple[float, ...] = ()
    end: int | None = None
    kind: Literal["order"] = "order"


@dataclass(frozen=True, slots=True)
class HLine:
    price: float
    label: str = ""
    kind: Literal["hline"] = "hline"


@dataclass(frozen=True, slots=True)
class VLine:
    time: int
    label: str = ""
    kind: Literal["vline"] = "vline"


@dataclass(frozen=True, slots=True)
class Zone:
    start: int
    end: int
    label: str = ""
    kind: Literal["zone"] = "zone"


Annotation = SignalMark | OrderMark | HLine | VLine | Zone


@dataclass(frozen=True, slots=True)
class Brick:
    """The size of Renko bricks: fixed in price units, or the ATR of `period` bars at the end of the data."""

    mode: Literal["fixed", "atr"] = "atr"
    size: float | None = None
    period: int = 14


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """A chart with its data. `width` and `height` in CSS pixels; the image has `scale` pixels for each.

    `right_offset` is the free space after the last bar, in bar widths. None: 4, or 4 % of the plot.
    `precision` is the number of decimals of prices. None: follows the data.
    `visible` is the number of bars shown, counted from the last. None: all. Earlier bars only feed the indicators.
    """

    type: ChartType
    data: ChartData
    title: str = ""
    instrument: str = ""
    timeframe: str = ""
    width: int = 1200
    height: int = 675
    scale: int = 1
    format: ImageFormat = "png"
    theme: Theme = "light"
    timezone: str = "UTC"
    y_scale: Literal["linear", "log"] = "linear"
    overlays: tuple[Overlay, ...] = ()
    panels: tuple[Panel, ...] = ()
    annotations: tuple[Annotation, ...] = ()
    colors: dict[str, str] = field(default_factory=dict)
    brick: Brick = Brick()
    bins: int | None = None
    right_offset: int | None = None
    precision: int | None = None
    visible: int | None = None


_OVERLAYS: Final[dict[str, type[Any]]] = {
    "sma": MovingAverage,
    "ema": MovingAverage,
    "wma": MovingAverage,
    "bollinger": Bollinger,
    "vwap": Vwap,
    "volume_profile": VolumeProfile,
}
_PANELS: Final[dict[str, type[Any]]] = {
    "volume": VolumePanel,
    "rsi": RsiPanel,
    "macd": MacdPanel,
    "atr": AtrPanel,
    "drawdown": DrawdownPanel,
}
_ANNOTATIONS: Final[dict[str, type[Any]]] = {
    "signal": SignalMark,
    "order": OrderMark,
    "hline": HLine,
    "vline": VLine,
    "zone": Zone,
}


def order_errors(order: OrderMark) -> Iterator[tuple[str, str]]:
    """Yield each field that contradicts the order's side: a JSON pointer into the order, and the broken rule.

    A buy has its stop below the entry and its targets above; a sell has them the other way round.
    """
    behind, ahead = ("below", "above") if order.side == "buy" else ("above", "below")
    if order.stop is not None and not _is_ahead(order, order.entry, order.stop):
        yield "/stop", f"must be {behind} the entry of a {order.side}"
    for place, target in enumerate(order.targets):
        if not _is_ahead(order, target, order.entry):
            yield f"/targets/{place}", f"must be {ahead} the entry of a {order.side}"
    if order.end is not None and order.end < order.start:
        yield "/to", "is before `from`"


def _is_ahead(order: OrderMark, price: float, other: float) -> bool:
    """Whether the order gains when the price moves from `other` to `price`."""
    return price > other if order.side == "buy" else price < other


def canonical(spec: ChartSpec) -> str:
    """Serialize a spec as canonical JSON: sorted keys, no spaces, every default included."""
    return json.dumps(
        spec, default=_members, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def parse_canonical(text: str) -> ChartSpec:
    """Parse the canonical form of a spec. Checks nothing: accepts only text that `canonical` returned."""
    raw = json.loads(text)
    raw["data"] = _data(raw["type"], raw["data"])
    raw["brick"] = Brick(**raw["brick"])
    for name, kinds in (("overlays", _OVERLAYS), ("panels", _PANELS), ("annotations", _ANNOTATIONS)):
        raw[name] = tuple(kinds[item["kind"]](**_tuples(item)) for item in raw[name])
    return ChartSpec(**raw)


def canonical_id(text: str, *, owner: str, engine_version: str) -> str:
    """Hash owner, engine version and the canonical form of a spec into 32 hexadecimal digits."""
    return hashlib.sha256(f"{engine_version}\n{owner}\n{text}".encode()).hexdigest()[:32]


def _members(part: Any) -> dict[str, Any]:
    # Not asdict: it copies all data before the first number is written.
    return {member.name: getattr(part, member.name) for member in fields(part)}


def _data(chart_type: str, raw: dict[str, Any]) -> ChartData:
    columns = _tuples(raw)
    if chart_type == "histogram":
        return Sample(**columns)
    if chart_type == "equity":
        return EquityCurve(**columns)
    return Bars(**columns)


def _tuples(raw: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()}
