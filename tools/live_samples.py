"""Samples of live signals: random-walk bars of three kinds of markets, each with an order placed at a fixed "now".

The seed of a random walk is SEED with the case's name, so every run gives the same bars. Tests, the gallery and the
contact sheet draw the samples.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from app.charts.domain import ChartSpec, OrderMark, Side, SignalMark, VolumePanel
from app.market.domain import Bars
from app.shared.instruments import TIMEFRAME_SECONDS

Market = Literal["stocks", "fx", "crypto"]
BarsEnd = Literal["now", "yesterday", "weekend", "month"]
Reach = Literal["near", "far"]

SEED: Final = 20261124
BARS: Final = 120
TIMEFRAMES: Final = ("5m", "1h", "1d", "1w")
TUESDAY: Final = datetime(2026, 11, 24, 15, 20, 30, tzinfo=UTC)
MONDAY: Final = datetime(2026, 11, 23, 15, 20, 30, tzinfo=UTC)
FRIDAY: Final = datetime(2026, 11, 20, 23, 59, 59, tzinfo=UTC)

_HOUR: Final = 3_600
_DAY: Final = 24 * _HOUR
_SUNDAY, _FRIDAY, _SATURDAY = 6, 4, 5
_STOCK_HOURS: Final = (14 * _HOUR + _HOUR // 2, 21 * _HOUR)
_FX_TURN: Final = 22 * _HOUR
_MARKETS: Final[dict[Market, tuple[str, float, int, float]]] = {
    "stocks": ("ACME", 184.2, 2, 0.018),
    "fx": ("EURUSD", 1.0725, 5, 0.006),
    "crypto": ("BTCUSD", 97_211.5, 1, 0.03),
}
"""Instrument, first price, decimals and the standard deviation of a day's move as a fraction."""


@dataclass(frozen=True, slots=True)
class LiveCase:
    """A live signal with its bars and its order. `time` is the signal's time in epoch milliseconds."""

    name: str
    instrument: str
    timeframe: str
    bars: Bars
    side: Side
    time: int
    entry: float
    stop: float
    targets: tuple[float, ...]

    def spec(self, **look: Any) -> ChartSpec:
        """The chart of the signal as the service draws it; `look` are fields of ChartSpec."""
        order = OrderMark(self.side, self.entry, self.time, self.stop, self.targets)
        usual = {"width": 1200, "height": 675, "panels": () if self.bars.volume is None else (VolumePanel(),)}
        return ChartSpec(
            "candlestick",
            self.bars,
            instrument=self.instrument,
            timeframe=self.timeframe,
            annotations=(order, SignalMark(self.side, self.time, self.entry)),
            **{**usual, **look},
        )


def live_cases() -> Iterator[LiveCase]:
    """Every market, timeframe, end of the bars, side and distance of stop and targets: 192 signals."""
    for market in _MARKETS:
        for timeframe in TIMEFRAMES:
            for ends in ("now", "yesterday", "weekend", "month"):
                for side in ("buy", "sell"):
                    for reach in ("near", "far"):
                        yield live_case(market, timeframe, ends, side, reach)


def live_case(
    market: Market, timeframe: str, ends: BarsEnd, side: Side, reach: Reach, *, price: float | None = None
) -> LiveCase:
    """One live signal. `price` replaces the market's first price; the decimals then give five significant digits."""
    name = f"{market}-{timeframe}-{ends}-{side}-{reach}"
    rng = random.Random(f"{SEED} {name}")  # noqa: S311 - sample data, no secret
    now = MONDAY if ends == "weekend" else TUESDAY
    until = {"now": now, "yesterday": now - timedelta(days=1), "weekend": FRIDAY, "month": now - timedelta(days=30)}
    times = bar_times(market, timeframe, until[ends], BARS)
    instrument, first, decimals, daily = _MARKETS[market]
    if price is not None:
        first, decimals = price, max(4 - math.floor(math.log10(price)), 0)
    bars = random_walk(rng, times, first, decimals, daily * math.sqrt(TIMEFRAME_SECONDS[timeframe] / _DAY))
    usual = sum(high - low for high, low in zip(bars.high, bars.low, strict=True)) / len(bars)
    usual = min(usual, bars.close[-1] / 32)  # targets 26 ranges away stay above zero
    away = usual if side == "buy" else -usual
    entry = round(bars.close[-1] + (0 if ends == "now" else rng.uniform(-1, 1) * usual), decimals)
    stop, *targets = (-1.6, 2.4, 4.4) if reach == "near" else (-11.0, 3.0, 26.0)
    return LiveCase(
        name,
        instrument,
        timeframe,
        bars,
        side,
        round(now.timestamp() * 1000),
        entry,
        round(entry + away * stop, decimals),
        tuple(round(entry + away * target, decimals) for target in targets),
    )


def bar_times(market: Market, timeframe: str, until: datetime, count: int) -> tuple[int, ...]:
    """Opening times (epoch milliseconds) of the last `count` bars of a market that open at or before `until`.

    Stocks trade from 14:30 to 21:00 UTC on weekdays, FX from Sunday 22:00 to Friday 22:00 UTC, crypto always. Bars of
    days begin at midnight, FX has a short one on Sundays; bars of weeks begin on Mondays.
    """
    length = TIMEFRAME_SECONDS[timeframe]
    last = int(until.timestamp())
    start = last - last % (_DAY // 2) + _DAY
    phase = _HOUR // 2 if market == "stocks" and length == _HOUR else 0
    if length >= 7 * _DAY:
        monday = last - (last // _DAY + 3) % 7 * _DAY - last % _DAY
        return tuple((monday - 7 * _DAY * back) * 1000 for back in reversed(range(count)))
    opens: list[int] = []
    moment = start - start % length + phase
    while len(opens) < count:
        if moment <= last and _trades(market, moment, length):
            opens.append(moment * 1000)
        moment -= length
    return tuple(reversed(opens))


def random_walk(rng: random.Random, times: tuple[int, ...], first: float, decimals: int, move: float) -> Bars:
    """Bars over `times` whose closes move by about `move` (a fraction) each, rounded to `decimals`."""
    prices: list[tuple[float, float, float, float]] = []
    volumes = []
    close = first
    for _ in times:
        opened = close * (1 + rng.gauss(0, move * 0.1))
        close = opened * math.exp(rng.gauss(0, move))
        high = max(opened, close) * (1 + abs(rng.gauss(0, move * 0.4)))
        low = min(opened, close) * (1 - abs(rng.gauss(0, move * 0.4)))
        row = [round(price, decimals) for price in (opened, high, low, close)]
        prices.append((row[0], max(row), min(row), row[3]))
        volumes.append(float(round(rng.lognormvariate(10, 0.5))))
    columns = tuple(zip(*prices, strict=True))
    return Bars(times, columns[0], columns[1], columns[2], columns[3], tuple(volumes))


def _trades(market: Market, moment: int, length: int) -> bool:
    day, seconds = (moment // _DAY + 3) % 7, moment % _DAY
    if market == "crypto":
        return True
    if market == "stocks":
        return day not in (_SATURDAY, _SUNDAY) and (length >= _DAY or _STOCK_HOURS[0] <= seconds < _STOCK_HOURS[1])
    if day == _SATURDAY:
        return False
    if length >= _DAY:
        return True
    return seconds >= _FX_TURN if day == _SUNDAY else day != _FRIDAY or seconds < _FX_TURN
