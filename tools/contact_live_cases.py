"""The live signals of the contact sheet: random-walk markets with an order placed now, at every size and theme.

Every market, timeframe and end of the bars occurs, with sides, distances, sizes and themes in rotation. Further cases
have tiny and huge prices, or overlays, panels and other orders beside the signal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle, product
from typing import Any, Final, get_args

from app.charts.domain import (
    Bollinger,
    ChartSpec,
    HLine,
    MovingAverage,
    OrderMark,
    RsiPanel,
    Side,
    SignalMark,
    VolumePanel,
)
from tools.contact_cases import (
    HUGE,
    LARGE,
    MEDIUM,
    MOBILE,
    SIZES,
    SMALL,
    TALL,
    WIDE,
)
from tools.live_samples import (
    TIMEFRAMES,
    BarsEnd,
    LiveCase,
    Market,
    Reach,
    live_case,
)

THEMES: Final = ("light", "dark", "colorblind")
SIDES: Final[tuple[tuple[Side, Reach], ...]] = (
    ("buy", "near"),
    ("sell", "far"),
    ("buy", "far"),
    ("sell", "near"),
    ("sell", "far"),
)


@dataclass(frozen=True)
class LivePicture:
    """One picture of a live signal: its file name, the signal, its size and other fields of ChartSpec."""

    name: str
    signal: LiveCase
    size: tuple[int, int]
    look: Mapping[str, Any] = field(default_factory=dict)

    def spec(self) -> ChartSpec:
        """The spec to draw."""
        return replace(self.signal.spec(width=self.size[0], height=self.size[1]), **self.look)


def crowd(signal: LiveCase) -> tuple[Any, ...]:
    """The signal's order with an earlier one that ended, one of the other side, and lines at its own prices."""
    time, bars = signal.bars.time, signal.bars
    before, closed = time[len(time) // 4], time[len(time) // 2]
    price = bars.close[len(time) // 4]
    other: Side = "sell" if signal.side == "buy" else "buy"
    away = signal.stop - signal.entry
    return (
        OrderMark(signal.side, price, before, price + away, (price - 2 * away,), closed),
        OrderMark(other, signal.entry, time[-20], signal.entry - away, (signal.entry + 1.5 * away,)),
        OrderMark(signal.side, signal.entry, signal.time, signal.stop, signal.targets),
        SignalMark(signal.side, before, price, "first"),
        SignalMark(signal.side, signal.time, signal.entry, "now"),
        HLine(bars.close[-1], "last close"),
        HLine(signal.targets[0], "resistance"),
    )


def _matrix() -> Iterator[LivePicture]:
    """Every market, timeframe and end of the bars: 48 pictures."""
    rotation = zip(cycle(SIZES), cycle(THEMES), cycle(SIDES), strict=False)
    kinds = product(get_args(Market), TIMEFRAMES, get_args(BarsEnd))
    for (market, timeframe, ends), (size, theme, (side, reach)) in zip(kinds, rotation, strict=False):
        signal = live_case(market, timeframe, ends, side, reach)
        yield LivePicture(f"live-{signal.name}-{size[0]}", signal, size, {"theme": theme})


def _priced(side: Side, price: float) -> LiveCase:
    return live_case("crypto", "1h", "now", side, "near", price=price)


def _others() -> Iterator[LivePicture]:
    """Prices of every magnitude, many overlays and orders at once, and images too small for all labels."""
    crypto = live_case("crypto", "1h", "now", "buy", "near")
    stocks = live_case("stocks", "5m", "now", "sell", "far")
    forex = live_case("fx", "1h", "now", "sell", "near")
    for name, price, size in (("tiny", 4e-5, MEDIUM), ("very-tiny", 7e-13, SMALL), ("huge", 7.1e7, MEDIUM)):
        yield LivePicture(f"live-{name}-prices-{size[0]}", _priced("buy", price), size)
    yield LivePicture("live-very-huge-prices-800", _priced("sell", 9.7e16), MEDIUM, {"theme": "dark"})
    yield LivePicture("live-very-huge-prices-320", _priced("buy", 9.7e16), MOBILE)
    averages = {"overlays": (MovingAverage("ema", 20), Bollinger()), "panels": (VolumePanel(), RsiPanel())}
    yield LivePicture("live-indicators-1200", stocks, WIDE, {**averages, "title": "ACME sell"})
    yield LivePicture("live-indicators-tall", crypto, TALL, {**averages, "theme": "dark"})
    yield LivePicture("live-line-800", forex, MEDIUM, {"type": "line", "panels": ()})
    yield LivePicture("live-area-1600", crypto, LARGE, {"type": "area", "theme": "colorblind"})
    yield LivePicture("live-heikin-ashi-800", stocks, MEDIUM, {"type": "heikin_ashi"})
    yield LivePicture("live-log-3000", crypto, HUGE, {"y_scale": "log"})
    yield LivePicture("live-crowd-1200", crypto, WIDE, {"annotations": crowd(crypto)})
    yield LivePicture("live-crowd-320", stocks, MOBILE, {"annotations": crowd(stocks), "theme": "dark"})
    yield LivePicture("live-no-room-800", forex, MEDIUM, {"right_offset": 0, "panels": ()})


LIVE_CASES: Final = (*_matrix(), *_others())
