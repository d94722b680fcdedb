"""The charts that benchmarks/render.py draws, and how it measures them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Final

from app.charts.domain import (
    Bollinger,
    ChartSpec,
    HLine,
    MacdPanel,
    MovingAverage,
    OrderMark,
    RsiPanel,
    SignalMark,
    VLine,
    VolumePanel,
    Zone,
)
from app.charts.rendering import engine
from app.charts.rendering.canvas.png import encode
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.charts.price import draw_price_chart
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.plotting.theme import LIGHT
from app.market.csv_files import read_bars
from app.market.domain import Bars
from tools.live_samples import live_case

ROOT: Final = Path(__file__).resolve().parent.parent
SAMPLE: Final = ROOT / "examples" / "data" / "goog_1d.csv"
DAY_MS: Final = 86_400_000
WIDTH, HEIGHT = 1200, 600
USUAL: Final = 500
MAX_RUNS: Final = 5
MAX_RUN_MS: Final = 200

Timed = Callable[[], tuple[float, bytes | int]]


def sample_bars(count: int) -> Bars:
    """The last `count` days of the sample. A longer series repeats it, scaled to go on from the last close."""
    sample = read_bars(SAMPLE)
    assert sample.volume is not None
    rounds = range(-(-count // len(sample)))
    growth = sample.close[-1] / sample.open[0]
    prices = {
        name: tuple(price * growth**number for number in rounds for price in getattr(sample, name))[-count:]
        for name in ("open", "high", "low", "close")
    }
    times = sample.time if len(rounds) == 1 else tuple(sample.time[0] + day * DAY_MS for day in range(count))
    return Bars(time=times[-count:], volume=(sample.volume * len(rounds))[-count:], **prices)


def usual_chart(count: int) -> ChartSpec:
    """Candles and volume: the chart that every renderer draws."""
    return ChartSpec(
        "candlestick",
        sample_bars(count),
        title="GOOG",
        timeframe="1d",
        width=WIDTH,
        height=HEIGHT,
        panels=(VolumePanel(),),
    )


def full_chart() -> ChartSpec:
    """Three overlays, three panels and twenty annotations."""
    spec = usual_chart(USUAL)
    bars = spec.data
    assert isinstance(bars, Bars)
    times, closes = bars.time[::25], bars.close[::25]
    marks = [SignalMark("buy" if place % 2 else "sell", time) for place, time in enumerate(times[:14])]
    order = OrderMark("buy", closes[15], times[15], stop=closes[15] * 0.95, targets=(closes[15] * 1.1,))
    lines = (HLine(closes[3], "support"), HLine(closes[9]), VLine(times[5], "results"), VLine(times[11]))
    return replace(
        spec,
        overlays=(MovingAverage("sma", 20), MovingAverage("ema", 50), Bollinger(20, 2.0)),
        panels=(VolumePanel(), RsiPanel(), MacdPanel()),
        annotations=(*marks, order, *lines, Zone(times[7], times[8], "range")),
    )


def live_signal() -> ChartSpec:
    """The chart of a signal as the service draws it: hourly FX, a buy at the newest bar, stop and two targets."""
    return live_case("fx", "1h", "now", "buy", "near").spec(width=WIDTH, height=HEIGHT)


def timed(draw: Callable[[], bytes]) -> Timed:
    def run() -> tuple[float, bytes | int]:
        begin = perf_counter()
        png = draw()
        return (perf_counter() - begin) * 1000, png

    return run


def ours(spec: ChartSpec) -> Timed:
    return timed(lambda: engine.render(spec).data)


def blank() -> bytes:
    """The floor: an empty canvas, encoded."""
    return encode(RasterCanvas(WIDTH, HEIGHT, LIGHT.background).pixels)


def measure(cases: dict[str, Timed], rounds: int) -> dict[str, dict[str, float]]:
    """Median and best milliseconds and the size of the PNG. The first round is not counted.

    Within a round a fast case runs up to five times: a single run would always come right after a slower case, which
    has emptied the processor's caches.
    """
    milliseconds_of: dict[str, list[float]] = {name: [] for name in cases}
    sizes: dict[str, int] = {}
    for number in range(rounds + 1):
        for name, run in cases.items():
            times, sizes[name] = _repeat(run)
            milliseconds_of[name] += times if number else []
    return {
        name: {"median_ms": statistics.median(times), "best_ms": min(times), "bytes": sizes[name]}
        for name, times in milliseconds_of.items()
    }


def _repeat(run: Timed) -> tuple[list[float], int]:
    times: list[float] = []
    size = 0
    while len(times) < MAX_RUNS and sum(times) < MAX_RUN_MS:
        milliseconds, png = run()
        times.append(milliseconds)
        size = png if isinstance(png, int) else len(png)
    return times, size


def stages(spec: ChartSpec, rounds: int) -> dict[str, float]:
    """Median milliseconds of each step of drawing a chart."""
    milliseconds_of: dict[str, list[float]] = {"plan": [], "canvas": [], "draw": [], "encode": []}
    for _ in range(rounds + 1):
        begin = perf_counter()
        plan = plan_price(spec)
        planned = perf_counter()
        canvas = RasterCanvas(plan.sizes.width, plan.sizes.height, plan.theme.background)
        opened = perf_counter()
        draw_price_chart(canvas, plan)
        drawn = perf_counter()
        encode(canvas.pixels)
        moments = (begin, planned, opened, drawn, perf_counter())
        for name, start, end in zip(milliseconds_of, moments[:-1], moments[1:], strict=True):
            milliseconds_of[name].append((end - start) * 1000)
    return {name: statistics.median(times[1:]) for name, times in milliseconds_of.items()}
