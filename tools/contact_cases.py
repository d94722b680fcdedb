"""The cases of the contact sheet: type, data, size and other fields of each chart.

A case is added by one line in CASES; bars of another kind by one line in DATA.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    Brick,
    ChartData,
    ChartSpec,
    DrawdownPanel,
    EquityCurve,
    HLine,
    MacdPanel,
    MovingAverage,
    OrderMark,
    RsiPanel,
    Sample,
    SignalMark,
    VLine,
    VolumePanel,
    VolumeProfile,
    Vwap,
    Zone,
)
from app.market.csv_files import read_bars
from app.market.domain import Bars

FOLDER: Final = Path(__file__).resolve().parents[1] / "examples" / "data"
HOUR_MS: Final = 3_600_000
SIZES: Final = ((320, 180), (640, 360), (800, 450), (1200, 600), (1600, 900), (3000, 1500), (600, 1200))
MOBILE, SMALL, MEDIUM, WIDE, LARGE, HUGE, TALL = SIZES

Changes = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One picture: its file name, the name of its data, its size, the number of last bars to draw (None: all).

    `changes` are fields of ChartSpec; a function in their place is called with the data.
    """

    name: str
    data: str
    size: tuple[int, int] = MEDIUM
    last: int | None = None
    changes: Changes = field(default_factory=dict)

    def spec(self) -> ChartSpec:
        """The spec to draw."""
        data = DATA[self.data]()
        if self.last is not None:
            data = last(data, self.last)
        changes = {name: value(data) if callable(value) else value for name, value in self.changes.items()}
        base = {"type": "candlestick", "title": self.name, "width": self.size[0], "height": self.size[1]}
        return ChartSpec(data=data, **{**base, **changes})


def last(data: ChartData, count: int) -> ChartData:
    """The last values of every column."""
    columns = {column.name: getattr(data, column.name) for column in fields(data)}
    kept: ChartData = type(data)(**{name: values and values[-count:] for name, values in columns.items()})
    return kept


@cache
def file(name: str) -> Bars:
    """The bars of a sample file."""
    return read_bars(FOLDER / f"{name}.csv")


def part(name: str, start: int, stop: int) -> Bars:
    """The bars of a sample file from row `start` to before row `stop`."""
    bars = file(name)
    columns = {column.name: getattr(bars, column.name) for column in fields(bars)}
    return Bars(**{column: values and values[start:stop] for column, values in columns.items()})


def scaled(name: str, factor: float) -> Bars:
    """The bars of a sample file with prices times `factor` and volume divided by it."""
    bars = file(name)
    prices = {side: tuple(value * factor for value in getattr(bars, side)) for side in ("open", "high", "low", "close")}
    return Bars(bars.time, **prices, volume=bars.volume and tuple(value / factor for value in bars.volume))


def flat(count: int, price: float) -> Bars:
    """Bars of one price, an hour apart."""
    time = tuple(file("random_walks/crypto_1h").time[0] + HOUR_MS * hour for hour in range(count))
    prices = (price,) * count
    return Bars(time, prices, prices, prices, prices, (0.0,) * count)


def gappy(name: str, share: float) -> Bars:
    """The bars of a sample file without a random fraction `share` of them."""
    bars, rng = file(name), random.Random(7)  # noqa: S311 - no secret
    kept = [row for row in range(len(bars)) if rng.random() > share]
    columns = {column.name: getattr(bars, column.name) for column in fields(bars)}
    return Bars(**{column: values and tuple(values[row] for row in kept) for column, values in columns.items()})


def spiked(name: str) -> Bars:
    """The bars of a sample file, one of them with three times its high."""
    bars = file(name)
    row = len(bars) - 30
    return Bars(
        bars.time,
        bars.open,
        (*bars.high[:row], bars.high[row] * 3, *bars.high[row + 1 :]),
        bars.low,
        bars.close,
        bars.volume,
    )


def negative(name: str) -> Bars:
    """The bars of a sample file as a spread: prices around zero."""
    bars, sides = file(name), ("open", "high", "low", "close")
    middle = bars.close[len(bars) // 2]
    return Bars(bars.time, *(tuple(round(value - middle, 5) for value in getattr(bars, side)) for side in sides))


def equity(name: str, capital: float) -> EquityCurve:
    """The equity of an account that holds the instrument of a sample file."""
    bars = file(name)
    return EquityCurve(bars.time, tuple(capital * close / bars.close[0] for close in bars.close))


def trades(count: int) -> EquityCurve:
    """The equity of an account after each of `count` trades at random times."""
    rng = random.Random(3)  # noqa: S311 - no secret
    time, capital = file("random_walks/crypto_1h").time[0], 10_000.0
    times, values = [], []
    for _ in range(count):
        time += round(rng.expovariate(1 / (9 * HOUR_MS))) + 1
        capital *= 1 + rng.gauss(0.001, 0.012)
        times.append(time)
        values.append(round(capital, 2))
    return EquityCurve(tuple(times), tuple(values))


def returns(name: str, factor: float = 100.0) -> Sample:
    """Changes from close to close as fractions times `factor`."""
    close = file(name).close
    return Sample(tuple(factor * (after / before - 1) for before, after in pairwise(close)))


def numbers(*values: float | None) -> Sample:
    """These values, a hundred times."""
    return Sample(values * 100)


STOCK, FOREX, SESSIONS = "stock daily", "forex hourly", "stock 5 minutes"
CRYPTO, TOKEN, WEEKLY, MONTHLY = "crypto hourly", "token daily", "weekly", "monthly"

DATA: Final[dict[str, Callable[[], ChartData]]] = {
    STOCK: lambda: file("aapl_1d"),
    FOREX: lambda: file("random_walks/forex_1h"),
    SESSIONS: lambda: file("random_walks/stock_5m"),
    CRYPTO: lambda: file("random_walks/crypto_1h"),
    TOKEN: lambda: file("random_walks/token_1d"),
    WEEKLY: lambda: file("random_walks/index_1w"),
    MONTHLY: lambda: file("random_walks/growth_monthly"),
    "one bar": lambda: part("goog_1d", 40, 41),
    "two bars": lambda: part("goog_1d", 40, 42),
    "twelve bars": lambda: part("goog_1d", 40, 52),
    "flat": lambda: flat(90, 42.0),
    "flat and tiny": lambda: flat(90, 0.00000042),
    "flat and zero": lambda: flat(40, 0.0),
    "huge prices": lambda: scaled("random_walks/crypto_1h", 731.0),
    "very huge prices": lambda: scaled("random_walks/crypto_1h", 1e12),
    "very tiny prices": lambda: scaled("random_walks/crypto_1h", 1e-17),
    "gappy hours": lambda: gappy("random_walks/crypto_1h", 0.55),
    "gappy days": lambda: gappy("msft_1d", 0.7),
    "spike": lambda: spiked("random_walks/forex_1h"),
    "spread around zero": lambda: negative("random_walks/forex_1h"),
    "Sunday session": lambda: part("random_walks/forex_1h", 100, 170),
    "account daily": lambda: equity("goog_1d", 10_000),
    "account hourly": lambda: equity("random_walks/forex_1h", 2_500_000),
    "account of trades": lambda: trades(220),
    "account that grows": lambda: equity("random_walks/growth_monthly", 1_000),
    "account of one value": lambda: EquityCurve(file("goog_1d").time[:1], (10_000.0,)),
    "returns": lambda: returns("aapl_1d"),
    "small returns": lambda: returns("random_walks/forex_1h", 1.0),
    "equal values": lambda: numbers(5.0),
    "values with gaps": lambda: numbers(1.0, None, 2.0, 2.5, -4.0),
    "large values": lambda: Sample(file("random_walks/index_1w").volume or ()),
    "tiny values": lambda: returns("random_walks/forex_1h", 1e-6),
}

VOLUME: Final = VolumePanel()
AVERAGES: Final = (MovingAverage("ema", 20), MovingAverage("sma", 50))
MANY_OVERLAYS: Final = (
    *(MovingAverage("sma", period) for period in (5, 10, 20, 50)),
    *(MovingAverage("ema", period) for period in (8, 21, 55)),
    MovingAverage("wma", 34),
    Bollinger(),
    Vwap(),
    VolumeProfile(),
)
MANY_PANELS: Final = (VOLUME, RsiPanel(), MacdPanel(), AtrPanel(), DrawdownPanel())
CJK: Final = "株価チャート: 東京証券取引所 日経平均 (한국어 中文)"
ARABIC: Final = "مخطط الأسعار - שער המניה"
EMOJI: Final = "To the moon \N{ROCKET}\N{FULL MOON WITH FACE} $HOPE$ \\alpha_1^2 <b>&amp;</b>"
SEPIA: Final = {"background": "#fbf7ee", "up": "#5b8c5a", "down": "#b5533c"}
LONG: Final = "A title that goes on " * 10


def story(bars: Bars) -> tuple[Any, ...]:
    """A trade with annotations of every kind."""
    start, end = len(bars) // 2, len(bars) * 4 // 5
    price = bars.close[start]
    return (
        Zone(bars.time[len(bars) // 10], bars.time[len(bars) // 5], "before"),
        HLine(max(bars.close), "resistance"),
        VLine(bars.time[len(bars) // 3], "news"),
        OrderMark("buy", price, bars.time[start], price * 0.985, (price * 1.015, price * 1.03), bars.time[end]),
        SignalMark("buy", bars.time[start], label="in"),
        SignalMark("sell", bars.time[end], label="out"),
    )


def edges(bars: Bars) -> tuple[Any, ...]:
    """Annotations at the first and the last bar, with long labels."""
    first, newest = bars.time[0], bars.time[-1]
    return (
        SignalMark("buy", first, label="first bar, with a long name"),
        SignalMark("sell", first, label="and a sale"),
        SignalMark("buy", newest, label="last bar, with a long name"),
        VLine(first, "left edge"),
        VLine(newest, "right edge"),
        HLine(max(bars.high), "the very top"),
        HLine(min(bars.low), "the very bottom"),
        Zone(bars.time[-3], newest, "the end"),
    )


def crowded(bars: Bars) -> tuple[Any, ...]:
    """Many signals close together."""
    every = range(0, len(bars), 3)
    return tuple(SignalMark("buy" if row % 2 else "sell", bars.time[row], label=f"s{row}") for row in every)


PRICE: Final[Changes] = {"timeframe": "1h", "panels": (VOLUME,)}
NO_VOLUME: Final[Changes] = {"timeframe": "1h", "panels": (RsiPanel(),)}
NEW_YORK: Final[Changes] = {"timeframe": "5m", "timezone": "America/New_York", "panels": (VOLUME,)}
EQUITY: Final[Changes] = {"type": "equity"}
HISTOGRAM: Final[Changes] = {"type": "histogram"}
RENKO: Final[Changes] = {"type": "renko", "timeframe": "1h"}

CASES: Final = (
    # Every type at many sizes.
    Case("candles-stock-320", STOCK, MOBILE, 60, {"timeframe": "1d"}),
    Case("candles-stock-640", STOCK, SMALL, 200, {"timeframe": "1d", "panels": (VOLUME,)}),
    Case("candles-forex-800", FOREX, MEDIUM, 150, NO_VOLUME),
    Case("candles-forex-1200", FOREX, WIDE, 300, {**NO_VOLUME, "theme": "dark", "overlays": AVERAGES}),
    Case("candles-crypto-1600", CRYPTO, LARGE, 300, {**PRICE, "theme": "colorblind", "overlays": (Bollinger(),)}),
    Case("candles-weekly-3000", WEEKLY, HUGE, None, {"timeframe": "1w", "panels": (VOLUME,), "overlays": AVERAGES}),
    Case("candles-sessions-tall", SESSIONS, TALL, 160, {**NEW_YORK, "overlays": (Vwap(),)}),
    Case("candles-colorblind-640", STOCK, SMALL, 140, {"theme": "colorblind", "panels": (VOLUME,)}),
    Case("ohlc-token-320", TOKEN, MOBILE, 60, {"type": "ohlc", "timeframe": "1d"}),
    Case("ohlc-stock-640", STOCK, SMALL, 200, {"type": "ohlc", "theme": "dark", "timeframe": "1d"}),
    Case("ohlc-sessions-1200", SESSIONS, WIDE, 234, {**NEW_YORK, "type": "ohlc"}),
    Case("ohlc-monthly-tall", MONTHLY, TALL, 120, {"type": "ohlc", "timeframe": "1M", "panels": (VOLUME,)}),
    Case("line-crypto-320", CRYPTO, MOBILE, 168, {"type": "line", "theme": "dark", "timeframe": "1h"}),
    Case("line-stock-800", STOCK, MEDIUM, None, {"type": "line", "overlays": AVERAGES, "timeframe": "1d"}),
    Case("line-weekly-1600", WEEKLY, LARGE, None, {"type": "line", "panels": (DrawdownPanel(),), "timeframe": "1w"}),
    Case("line-forex-tall", FOREX, TALL, 240, {**NO_VOLUME, "type": "line", "theme": "colorblind"}),
    Case("area-sessions-320", SESSIONS, MOBILE, 78, {"type": "area", "timezone": "America/New_York"}),
    Case("area-crypto-640", CRYPTO, SMALL, 240, {**PRICE, "type": "area"}),
    Case("area-monthly-1200", MONTHLY, WIDE, None, {"type": "area", "theme": "dark", "timeframe": "1M"}),
    Case("area-token-3000", TOKEN, HUGE, None, {"type": "area", "panels": (VOLUME,), "timeframe": "1d"}),
    Case("heikin-ashi-forex-640", FOREX, SMALL, 120, {"type": "heikin_ashi", "timeframe": "1h"}),
    Case("heikin-ashi-crypto-1200", CRYPTO, WIDE, 250, {**PRICE, "type": "heikin_ashi", "theme": "dark"}),
    Case("heikin-ashi-stock-1600", STOCK, LARGE, 300, {"type": "heikin_ashi", "theme": "colorblind"}),
    Case("renko-crypto-320", CRYPTO, MOBILE, None, {**RENKO, "brick": Brick("fixed", 1500)}),
    Case("renko-crypto-800", CRYPTO, MEDIUM, None, {**RENKO, "theme": "dark"}),
    Case("renko-forex-1200", FOREX, WIDE, None, {**RENKO, "theme": "colorblind"}),
    Case("renko-stock-600", STOCK, TALL, None, {**RENKO, "timeframe": "1d", "panels": (VOLUME, RsiPanel())}),
    Case("equity-daily-320", "account daily", MOBILE, None, EQUITY),
    Case("equity-daily-640", "account daily", SMALL, None, {**EQUITY, "theme": "dark"}),
    Case("equity-hourly-1200", "account hourly", WIDE, None, EQUITY),
    Case("equity-trades-1600", "account of trades", LARGE, None, {**EQUITY, "theme": "colorblind"}),
    Case("equity-trades-tall", "account of trades", TALL, None, EQUITY),
    Case("equity-growth-log-800", "account that grows", MEDIUM, None, {**EQUITY, "y_scale": "log"}),
    Case("equity-one-value-640", "account of one value", SMALL, None, EQUITY),
    Case("histogram-returns-320", "returns", MOBILE, None, HISTOGRAM),
    Case("histogram-returns-800", "returns", MEDIUM, None, {**HISTOGRAM, "theme": "dark"}),
    Case("histogram-small-1200", "small returns", WIDE, None, {**HISTOGRAM, "theme": "colorblind"}),
    Case("histogram-large-640", "large values", SMALL, None, HISTOGRAM),
    Case("histogram-equal-640", "equal values", SMALL, None, HISTOGRAM),
    Case("histogram-gaps-tall", "values with gaps", TALL, None, HISTOGRAM),
    Case("histogram-tiny-640", "tiny values", SMALL, None, HISTOGRAM),
    # Calendars.
    Case("calendar-sunday-1200", "Sunday session", WIDE, None, NO_VOLUME),
    Case("calendar-sunday-new-york-800", FOREX, MEDIUM, 300, {**NO_VOLUME, "timezone": "America/New_York"}),
    Case("calendar-kathmandu-800", CRYPTO, MEDIUM, 200, {**PRICE, "timezone": "Asia/Kathmandu"}),
    Case("calendar-clock-change-800", CRYPTO, MEDIUM, 240, {**PRICE, "timezone": "Europe/Berlin"}),
    Case("calendar-sessions-1600", SESSIONS, LARGE, None, NEW_YORK),
    Case("calendar-one-session-640", SESSIONS, SMALL, 70, NEW_YORK),
    Case("calendar-gappy-hours-1200", "gappy hours", WIDE, None, PRICE),
    Case("calendar-gappy-days-800", "gappy days", MEDIUM, None, {"timeframe": "1d"}),
    Case("calendar-monthly-3000", MONTHLY, HUGE, None, {"timeframe": "1M", "y_scale": "log"}),
    # Prices of every size.
    Case("log-decades-800", MONTHLY, MEDIUM, None, {"timeframe": "1M", "y_scale": "log"}),
    Case("log-decades-tall", MONTHLY, TALL, None, {"y_scale": "log", "theme": "dark", "type": "line"}),
    Case("log-decades-320", MONTHLY, MOBILE, None, {"y_scale": "log", "type": "line"}),
    Case("log-narrow-800", FOREX, MEDIUM, 120, {"timeframe": "1h", "y_scale": "log"}),
    Case("log-profile-1200", WEEKLY, WIDE, None, {"y_scale": "log", "overlays": (VolumeProfile(),)}),
    Case("prices-tiny-800", TOKEN, MEDIUM, 120, {"timeframe": "1d", "panels": (MacdPanel(), AtrPanel())}),
    Case("prices-very-tiny-640", "very tiny prices", SMALL, 90, {"panels": (MacdPanel(), VOLUME)}),
    Case("prices-huge-800", "huge prices", MEDIUM, 120, {"panels": (MacdPanel(), VOLUME)}),
    Case("prices-very-huge-640", "very huge prices", SMALL, 90, {"panels": (AtrPanel(),)}),
    Case("prices-negative-800", "spread around zero", MEDIUM, 200, {"panels": (MacdPanel(),)}),
    Case("prices-spike-800", "spike", MEDIUM, 120, {"timeframe": "1h"}),
    Case("prices-precision-2-640", FOREX, SMALL, 100, {"precision": 2}),
    Case("prices-precision-8-640", STOCK, SMALL, 80, {"precision": 8}),
    Case("flat-640", "flat", SMALL, None, {"panels": (VOLUME, RsiPanel())}),
    Case("flat-tiny-640", "flat and tiny", SMALL, None, {"theme": "dark"}),
    Case("flat-zero-640", "flat and zero", SMALL, None, {"panels": (MacdPanel(),)}),
    Case("bars-1-640", "one bar", SMALL, None, {"timeframe": "1d", "panels": (VOLUME,)}),
    Case("bars-1-line-320", "one bar", MOBILE, None, {"type": "line"}),
    Case("bars-2-800", "two bars", MEDIUM, None, {"timeframe": "1d", "panels": (VOLUME, RsiPanel())}),
    Case("bars-2-tall", "two bars", TALL, None, {"type": "area", "theme": "dark"}),
    Case("bars-12-1600", "twelve bars", LARGE, None, {"timeframe": "1d", "panels": (VOLUME,)}),
    # Much at once, and texts of every script.
    Case("many-1600", STOCK, LARGE, 250, {"overlays": MANY_OVERLAYS, "panels": MANY_PANELS, "annotations": story}),
    Case("many-dark-tall", STOCK, TALL, 120, {"overlays": MANY_OVERLAYS, "panels": MANY_PANELS, "theme": "dark"}),
    Case("many-320", STOCK, MOBILE, 60, {"overlays": MANY_OVERLAYS, "panels": MANY_PANELS, "annotations": story}),
    Case("many-colorblind-800", STOCK, MEDIUM, 160, {"overlays": MANY_OVERLAYS, "theme": "colorblind"}),
    Case("annotations-story-800", FOREX, MEDIUM, 120, {"timeframe": "1h", "annotations": story}),
    Case("annotations-edges-800", CRYPTO, MEDIUM, 80, {**PRICE, "annotations": edges}),
    Case("annotations-edges-320", CRYPTO, MOBILE, 60, {"annotations": edges, "theme": "dark"}),
    Case("annotations-crowded-1200", STOCK, WIDE, 150, {"annotations": crowded, "panels": (VOLUME,)}),
    Case("title-cjk-800", STOCK, MEDIUM, 90, {"title": CJK, "annotations": lambda bars: (HLine(bars.close[-9], CJK),)}),
    Case("title-arabic-640", STOCK, SMALL, 60, {"title": ARABIC, "theme": "dark"}),
    Case("title-emoji-640", STOCK, SMALL, 60, {"title": EMOJI, "theme": "colorblind"}),
    Case("title-long-640", STOCK, SMALL, 60, {"title": LONG[:200], "timeframe": "1d"}),
    Case("title-long-320", STOCK, MOBILE, 40, {"title": LONG[:200], "timeframe": "1d"}),
    Case("scale-2-640", FOREX, SMALL, 120, {"scale": 2, "timeframe": "1h", "annotations": story}),
    Case("scale-3-320", STOCK, MOBILE, 50, {"scale": 3, "panels": (VOLUME,)}),
    Case("colors-own-800", STOCK, MEDIUM, 100, {"colors": SEPIA}),
    Case("colors-night-800", STOCK, MEDIUM, 100, {"colors": {"background": "#10261c"}, "panels": (VOLUME,)}),
)
