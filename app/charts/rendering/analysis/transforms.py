"""Transformations of bars: Heikin-Ashi candles, Renko bricks and aggregated bars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from app.charts.domain import Brick
from app.charts.rendering.analysis.indicators import atr, true_range
from app.charts.rendering.analysis.rolling import FloatArray, smooth
from app.market.domain import Bars

MAX_BRICKS: Final = 20_000
_TOLERANCE: Final = 1e-9  # tolerance: 100.1 - 100 is slightly less than a brick of 0.1


class BrickError(ValueError):
    """The fixed brick size is so small that the chart could need more than MAX_BRICKS bricks."""


@dataclass(frozen=True, slots=True)
class BarArrays:
    """Bars as arrays of one length: `time` int64 epoch milliseconds, the others float64; volume may be absent."""

    time: npt.NDArray[np.int64]
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None = None

    @classmethod
    def from_bars(cls, bars: Bars) -> Self:
        """The same bars as arrays."""
        return cls(
            time=np.array(bars.time, dtype=np.int64),
            open=np.array(bars.open, dtype=np.float64),
            high=np.array(bars.high, dtype=np.float64),
            low=np.array(bars.low, dtype=np.float64),
            close=np.array(bars.close, dtype=np.float64),
            volume=None if bars.volume is None else np.array(bars.volume, dtype=np.float64),
        )

    def last(self, count: int) -> Self:
        """The last `count` bars."""
        part = slice(max(len(self) - count, 0), None)
        return replace(
            self,
            time=self.time[part],
            open=self.open[part],
            high=self.high[part],
            low=self.low[part],
            close=self.close[part],
            volume=None if self.volume is None else self.volume[part],
        )

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class _Runs:
    """Runs of bricks of one direction that one bar completes. `level` counts bricks from the first close."""

    bar: npt.NDArray[np.int64]
    level: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]


def heikin_ashi(bars: BarArrays) -> BarArrays:
    """Heikin-Ashi candles: close (o + h + l + c) / 4, open (previous open + previous close) / 2, first (o + c) / 2."""
    if not len(bars):
        return bars
    close = (bars.open + bars.high + bars.low + bars.close) / 4.0
    first = float(bars.open[0] + bars.close[0]) / 2.0
    # The middle of open and close is the open moved half way to the close.
    opening = smooth(np.concatenate(([first], close[:-1])), first, 0.5)
    return replace(
        bars,
        open=opening,
        high=np.maximum(bars.high, np.maximum(opening, close)),
        low=np.minimum(bars.low, np.minimum(opening, close)),
        close=close,
    )


def renko(bars: BarArrays, brick: Brick) -> tuple[BarArrays, float]:
    """Bricks of closing prices, and the size used, in price units.

    The first close is the base. Each move of the close by one size adds a brick; a reversal needs a move of two. A
    brick has the time of the bar that completes it, and an equal share of the volume since the run before. There are no
    bricks where the close never moves by a whole size. Needs at least one bar. Raises BrickError for a fixed size that
    is too small for the data.
    """
    size = _brick_size(bars, brick)
    runs = _brick_runs(bars.close, size)
    bar = np.repeat(runs.bar, runs.count)
    step = np.repeat(runs.step, runs.count).astype(np.float64)
    start = np.repeat(runs.level, runs.count).astype(np.float64) + step * _places(runs.count)
    base = float(bars.close[0])
    opening = base + start * size
    close = base + (start + step) * size
    bricks = BarArrays(
        time=bars.time[bar],
        open=opening,
        high=np.maximum(opening, close),
        low=np.minimum(opening, close),
        close=close,
        volume=None if bars.volume is None else _shared_volume(bars.volume, runs),
    )
    return bricks, size


def aggregate(bars: BarArrays, factor: int) -> BarArrays:
    """Join every `factor` bars into one, with true high and low and summed volume. The last one may have fewer."""
    if factor <= 1 or not len(bars):
        return bars
    first = np.arange(0, len(bars), factor)
    last = np.append(first[1:] - 1, len(bars) - 1)
    return BarArrays(
        time=bars.time[first],
        open=bars.open[first],
        high=np.maximum.reduceat(bars.high, first),
        low=np.minimum.reduceat(bars.low, first),
        close=bars.close[last],
        volume=None if bars.volume is None else np.add.reduceat(bars.volume, first),
    )


def _brick_size(bars: BarArrays, brick: Brick) -> float:
    travel = float(np.abs(np.diff(bars.close)).sum())
    if brick.mode == "fixed" and brick.size is not None:
        if travel / brick.size > MAX_BRICKS:
            raise BrickError(f"too small for these prices: {1.01 * travel / MAX_BRICKS:.3g} would do")
        return brick.size
    # A price gap can be many times the usual range: a larger size keeps the number of bricks below the limit.
    size = max(_typical_range(bars, brick.period), travel / MAX_BRICKS)
    return size if size > 0 else 1.0


def _typical_range(bars: BarArrays, period: int) -> float:
    """ATR at the end of the data; of fewer bars than its period, the mean true range."""
    ranges = true_range(bars.high, bars.low, bars.close)
    if len(ranges) >= period:
        return float(atr(bars.high, bars.low, bars.close, period)[-1])
    return float(ranges.mean()) if len(ranges) else 0.0


def _brick_runs(close: FloatArray, size: float) -> _Runs:
    moves = (close - close[:1]) / size
    reached = zip(np.floor(moves + _TOLERANCE).tolist(), np.ceil(moves - _TOLERANCE).tolist(), strict=True)
    runs: list[int] = []
    rise, fall = 1, -1  # levels in bricks at which the next run starts
    for bar, (up, down) in enumerate(reached):
        if up >= rise:
            top = int(up)
            runs += (bar, rise - 1, 1, top - rise + 1)
            rise, fall = top + 1, top - 2
        elif down <= fall:
            bottom = int(down)
            runs += (bar, fall + 1, -1, fall + 1 - bottom)
            rise, fall = bottom + 2, bottom - 1
    bars, levels, steps, counts = np.array(runs, dtype=np.int64).reshape(-1, 4).T
    return _Runs(bars, levels, steps, counts)


def _places(counts: npt.NDArray[np.int64]) -> FloatArray:
    """0, 1, ... count - 1 for each count, one after the other."""
    return np.arange(counts.sum(), dtype=np.float64) - np.repeat(np.cumsum(counts) - counts, counts)


def _shared_volume(volume: FloatArray, runs: _Runs) -> FloatArray:
    if not len(runs.bar):
        return np.zeros(0)
    sums = np.add.reduceat(volume[: runs.bar[-1] + 1], np.append(0, runs.bar[:-1] + 1))
    return np.repeat(sums / runs.count, runs.count)
