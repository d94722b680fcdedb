"""The specs of the gallery, which show all that the engine can draw, and of the golden images.

`tools.gallery` draws and writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    Brick,
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
from app.market.domain import Bars
from tools.live_samples import live_case

SAMPLES: Final = ("aapl", "goog", "msft")
WIDTH, HEIGHT = 960, 540
GOLDEN_WIDTH, GOLDEN_HEIGHT = 640, 400
START_CAPITAL: Final = 10_000.0

VOLUME: Final = VolumePanel()


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """A spec with its name in file names, its section in the gallery and its caption."""

    slug: str
    section: str
    caption: str
    spec: ChartSpec


def pictures(samples: Mapping[str, Bars]) -> list[GalleryPicture]:
    """The pictures of the gallery in order. `samples` has the daily bars of each name in SAMPLES."""
    parts = (_types, _themes, _overlays, _panels, _marks)
    return [*_live_signals(), *(picture for part in parts for picture in part(samples))]


def golden_pictures(samples: Mapping[str, Bars]) -> list[GalleryPicture]:
    """Seven small pictures that together use every part of the engine."""
    chosen = ("live-signal", "candlestick", "renko", "equity", "histogram", "dark", "full")
    by_slug = {picture.slug: picture for picture in pictures(samples)}
    return [replace(by_slug[slug], spec=_small(by_slug[slug].spec)) for slug in chosen]


def _small(spec: ChartSpec) -> ChartSpec:
    return replace(spec, width=GOLDEN_WIDTH, height=GOLDEN_HEIGHT)


def _live_signals() -> Iterator[GalleryPicture]:
    """Signals as the service draws them, on the random walks of `live_samples`."""
    section = "Live signals"
    look = {"width": WIDTH, "height": HEIGHT}
    case = live_case("fx", "1h", "now", "buy", "near")
    caption = "A signal in the newest hour of EURUSD: entry, stop and targets with their distances and reward"
    yield GalleryPicture("live-signal", section, caption, case.spec(**look))
    case = live_case("stocks", "1d", "weekend", "sell", "far")
    caption = "A Monday's sell signal on daily bars that end on Friday; one target lies far below"
    yield GalleryPicture("live-signal-monday", section, caption, case.spec(**look, theme="dark"))
    case = live_case("crypto", "5m", "month", "buy", "near")
    caption = "A signal a month after the last bar: its time is written"
    yield GalleryPicture("live-signal-late", section, caption, case.spec(**look))
    case = live_case("fx", "5m", "now", "sell", "near")
    caption = "320 by 180 pixels: shorter tags"
    yield GalleryPicture("live-signal-small", section, caption, case.spec(width=320, height=180))


def _types(samples: Mapping[str, Bars]) -> Iterator[GalleryPicture]:
    section = "Types"
    bars = samples["aapl"].cut(-340, -215)
    for chart_type, caption in (
        ("candlestick", "Candlesticks over volume"),
        ("ohlc", "Open, high, low and close as bars"),
        ("line", "The close as a line"),
        ("area", "The close as an area"),
        ("heikin_ashi", "Heikin-Ashi: candles smoothed by the ones before them"),
    ):
        spec = _spec(bars, type=chart_type, panels=(VOLUME,))
        yield GalleryPicture(chart_type.replace("_", "-"), section, caption, spec)
    spec = _spec(samples["aapl"], type="renko", brick=Brick(period=14))
    yield GalleryPicture("renko", section, "Renko bricks as high as the average true range", spec)
    yield GalleryPicture(
        "equity", section, "An account's equity and its drawdown, the longest one shaded", _equity(samples)
    )
    returns = _returns(samples["aapl"])
    spec = ChartSpec("histogram", returns, title="AAPL: daily returns in per cent", width=WIDTH, height=HEIGHT)
    yield GalleryPicture("histogram", section, "How often each daily return occurred, with mean and median", spec)


def _themes(samples: Mapping[str, Bars]) -> Iterator[GalleryPicture]:
    section = "Themes"
    spec = _spec(samples["goog"].cut(-90), title="GOOG", overlays=(MovingAverage("ema", 20),), panels=(VOLUME,))
    yield GalleryPicture("light", section, "Light", spec)
    yield GalleryPicture("dark", section, "Dark", replace(spec, theme="dark"))
    caption = "Colour-blind: blue and orange, rising bodies hollow"
    yield GalleryPicture("colorblind", section, caption, replace(spec, theme="colorblind"))
    sepia = {"background": "#fbf7ee", "grid": "#efe7d6", "border": "#d9cfb8", "up": "#5b8c5a", "down": "#b5533c"}
    yield GalleryPicture("colors", section, "Colours of one's own", replace(spec, colors=sepia))


def _overlays(samples: Mapping[str, Bars]) -> Iterator[GalleryPicture]:
    section = "Overlays"
    bars = samples["msft"].cut(-150)
    averages = (MovingAverage("sma", 20), MovingAverage("ema", 20), MovingAverage("wma", 50))
    for slug, caption, overlays in (
        ("averages", "Simple, exponential and weighted moving averages", averages),
        ("bollinger", "Bollinger bands", (Bollinger(),)),
        ("vwap", "Volume-weighted average price; of daily bars, since the first one", (Vwap(),)),
        ("volume-profile", "Volume by price with point of control and value area", (VolumeProfile(),)),
    ):
        yield GalleryPicture(slug, section, caption, _spec(bars, title="MSFT", overlays=overlays))


def _panels(samples: Mapping[str, Bars]) -> Iterator[GalleryPicture]:
    section = "Panels"
    bars = samples["msft"].cut(-150)
    for caption, panel in (
        ("Relative strength index", RsiPanel()),
        ("Moving average convergence and divergence", MacdPanel()),
        ("Average true range", AtrPanel()),
        ("Drawdown from the highest close", DrawdownPanel()),
    ):
        yield GalleryPicture(panel.kind, section, caption, _spec(bars, title="MSFT", panels=(panel,)))


def _marks(samples: Mapping[str, Bars]) -> Iterator[GalleryPicture]:
    section = "Annotations and the rest"
    bars = samples["aapl"].cut(-370, -250)
    spec = _spec(bars, annotations=_trade(bars), panels=(VOLUME,))
    yield GalleryPicture(
        "annotations", section, "A signal, its order with stop and targets, lines and a span of time", spec
    )
    overlays = (MovingAverage("ema", 20), Bollinger(), VolumeProfile())
    full = replace(spec, overlays=overlays, panels=(VOLUME, RsiPanel(), MacdPanel()), theme="dark", height=720)
    yield GalleryPicture("full", section, "Much at once", full)
    spec = _spec(samples["aapl"], y_scale="log", overlays=(MovingAverage("sma", 200),))
    yield GalleryPicture("log", section, "A logarithmic scale", spec)
    spec = _spec(bars.cut(-40), width=320, height=200)
    yield GalleryPicture("small", section, "320 by 200 pixels", spec)
    caption = "The same at twice the scale, for screens with small pixels"
    yield GalleryPicture("scale-2", section, caption, replace(spec, scale=2))


def _spec(bars: Bars, **changes: Any) -> ChartSpec:
    usual = {"type": "candlestick", "title": "AAPL", "timeframe": "1d", "width": WIDTH, "height": HEIGHT}
    return ChartSpec(data=bars, **{**usual, **changes})


def _trade(bars: Bars) -> tuple[Any, ...]:
    """A trade of the bars with all its annotations: bought at the lowest close of their middle half, sold later."""
    middle = range(len(bars) // 4, len(bars) * 3 // 4)
    entry = min(middle, key=lambda row: bars.close[row])
    end = min(entry + 18, len(bars) - 1)
    price = bars.close[entry]
    targets = (round(price * 1.05, 2), round(price * 1.1, 2))
    return (
        Zone(bars.time[4], bars.time[14], "before"),
        HLine(max(bars.close[: middle.stop]), "resistance"),
        VLine(bars.time[len(bars) // 5], "results"),
        OrderMark("buy", price, bars.time[entry], stop=round(price * 0.96, 2), targets=targets, end=bars.time[end]),
        SignalMark("buy", bars.time[entry], label="buy"),
        SignalMark("sell", bars.time[end], label="sell"),
    )


def _equity(samples: Mapping[str, Bars]) -> ChartSpec:
    bars = samples["goog"]
    equity = tuple(START_CAPITAL * close / bars.close[0] for close in bars.close)
    curve = EquityCurve(bars.time, equity)
    return ChartSpec("equity", curve, title="10,000 held in GOOG", width=WIDTH, height=HEIGHT)


def _returns(bars: Bars) -> Sample:
    pairs = zip(bars.close, bars.close[1:], strict=False)
    return Sample(tuple(100.0 * (after / before - 1.0) for before, after in pairs))
