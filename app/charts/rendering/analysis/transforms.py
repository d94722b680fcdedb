"""Bars made from bars: Heikin-Ashi candles, renko bricks and coarser bars. BarArrays in, columns out."""

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
_WHOLE: Final = 1e-9  # a move this little short of a whole brick is one: 100.1 - 100 is not quite 0.1


class BrickError(ValueError):
    """The fixed brick is so small that the moves of the close could need more than MAX_BRICKS of them."""


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
    """Bricks as runs of one direction, each completed by one bar: `level` counts bricks from the first close."""

    bar: npt.NDArray[np.int64]
    level: npt.NDArray[np.int64]
    step: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]


def heikin_ashi(columns: BarArrays) -> BarArrays:
    """Heikin-Ashi candles: close (o + h + l + c) / 4, open the middle of the candle before, the first (o + c) / 2."""
    if not len(columns):
        return columns
    close = (columns.open + columns.high + columns.low + columns.close) / 4.0
    first = float(columns.open[0] + columns.close[0]) / 2.0
    # The middle of open and close is the open moved half way to the close.
    opening = smooth(np.concatenate(([first], close[:-1])), first, 0.5)
    return replace(
        columns,
        open=opening,
        high=np.maximum(columns.high, np.maximum(opening, close)),
        low=np.minimum(columns.low, np.minimum(opening, close)),
        close=close,
    )


def renko(columns: BarArrays, brick: Brick) -> tuple[BarArrays, float]:
    """Bricks of closing prices, and the size used, in price units.

    The first close is the base; a brick is drawn for each whole size the close moves on, and a reversal needs two. A
    brick has the time of the bar that completed it, and its share of the volume since the brick before. No brick at all
    comes back when the close never moves a whole size. Needs at least one bar; raises BrickError for a fixed size too
    small for the data.
    """
    size = _brick_size(columns, brick)
    runs = _brick_runs(columns.close, size)
    bar = np.repeat(runs.bar, runs.count)
    step = np.repeat(runs.step, runs.count).astype(np.float64)
    start = np.repeat(runs.level, runs.count).astype(np.float64) + step * _places(runs.count)
    base = float(columns.close[0])
    opening = base + start * size
    close = base + (start + step) * size
    bricks = BarArrays(
        time=columns.time[bar],
        open=opening,
        high=np.maximum(opening, close),
        low=np.minimum(opening, close),
        close=close,
        volume=None if columns.volume is None else _shared_volume(columns.volume, runs),
    )
    return bricks, size


def aggregate(columns: BarArrays, factor: int) -> BarArrays:
    """Every `factor` bars as one, from the first on: true high and low, summed volume; the last may hold fewer."""
    if factor <= 1 or not len(columns):
        return columns
    first = np.arange(0, len(columns), factor)
    last = np.append(first[1:] - 1, len(columns) - 1)
    return BarArrays(
        time=columns.time[first],
        open=columns.open[first],
        high=np.maximum.reduceat(columns.high, first),
        low=np.minimum.reduceat(columns.low, first),
        close=columns.close[last],
        volume=None if columns.volume is None else np.add.reduceat(columns.volume, first),
    )


def _brick_size(columns: BarArrays, brick: Brick) -> float:
    travel = float(np.abs(np.diff(columns.close)).sum())
    if brick.mode == "fixed" and brick.size is not None:
        if travel / brick.size > MAX_BRICKS:
            raise BrickError(f"too small for these prices: {1.01 * travel / MAX_BRICKS:.3g} would do")
        return brick.size
    # One huge gap can be many times the range of the bars at the end: the size grows to keep the count in bounds.
    size = max(_typical_range(columns, brick.period), travel / MAX_BRICKS)
    return size if size > 0 else 1.0


def _typical_range(columns: BarArrays, period: int) -> float:
    """ATR at the end of the data; of fewer bars than its period, the mean true range."""
    ranges = true_range(columns.high, columns.low, columns.close)
    if len(ranges) >= period:
        return float(atr(columns.high, columns.low, columns.close, period)[-1])
    return float(ranges.mean()) if len(ranges) else 0.0


def _brick_runs(close: FloatArray, size: float) -> _Runs:
    moves = (close - close[:1]) / size
    reached = zip(np.floor(moves + _WHOLE).tolist(), np.ceil(moves - _WHOLE).tolist(), strict=True)
    runs: list[int] = []
    rise, fall = 1, -1  # bricks from the base that the close must reach
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
