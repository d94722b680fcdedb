"""Technical indicators over numpy arrays, by their usual definitions.

Every function takes float64 arrays of one length, oldest first and finite, and returns arrays of that length with NaN
where the value is undefined. Where TA-Lib has the function the results are its results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.charts.rendering.analysis.local_time import IntArray, local_days
from app.charts.rendering.analysis.rolling import (
    FloatArray,
    running_sum,
    smooth,
    window_deviation,
    window_ramp_sum,
    window_sum,
)

ONE_BAR_A_DAY_MS: Final = 23 * 3_600_000  # the day on which clocks go forward has 23 hours
_NEUTRAL_RSI: Final = 50.0


@dataclass(frozen=True, slots=True)
class DrawdownSummary:
    """The deepest and the longest drawdown of a curve, as indices into it.

    `max_drawdown` is a fraction <= 0, from the value at `peak` down to that at `trough`. `recovery` is the first index
    after the trough at which the curve reaches the peak's value, None if it does not. `max_duration_span` is (peak,
    recovery or last index) of the drawdown that lasts longest. A curve that never falls has a `max_drawdown` of 0.0,
    three equal indices and no `max_duration_span`.
    """

    max_drawdown: float
    peak: int
    trough: int
    recovery: int | None
    max_duration_span: tuple[int, int] | None


def sma(close: FloatArray, period: int) -> FloatArray:
    """Simple moving average."""
    if len(close) < period:
        return np.full(len(close), np.nan)
    return _aligned(window_sum(close, period) / period, len(close))


def wma(close: FloatArray, period: int) -> FloatArray:
    """Moving average with weights rising from 1 (oldest) to `period` (newest)."""
    if len(close) < period:
        return np.full(len(close), np.nan)
    return _aligned(window_ramp_sum(close, period) / (period * (period + 1) / 2), len(close))


def ema(close: FloatArray, period: int) -> FloatArray:
    """Exponential moving average with gain 2 / (period + 1), seeded by the mean of the first `period` values."""
    return _smoothed(close, period, 2.0 / (period + 1))


def bollinger(close: FloatArray, period: int, multiplier: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Lower, middle and upper band: the SMA and `multiplier` population deviations to either side of it."""
    middle = sma(close, period)
    if len(close) < period:
        return middle, middle, middle
    reach = _aligned(multiplier * window_deviation(close, period), len(close))
    return middle - reach, middle, middle + reach


def vwap(
    time_ms: IntArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    volume: FloatArray,
    zone: str,
) -> FloatArray:
    """Volume-weighted average of the typical price (high + low + close) / 3, reset each day of `zone`.

    `time_ms` is the start of each bar in epoch milliseconds, `zone` an IANA name. For bars of a day or longer the
    average starts at the first bar and is never reset. It is undefined (NaN) until a session has volume.
    """
    session = _sessions(time_ms, zone)
    turnover = running_sum((high + low + close) / 3.0 * volume, session)
    traded = running_sum(volume, session)
    return _ratio(turnover, traded, otherwise=np.nan)


def rsi(close: FloatArray, period: int) -> FloatArray:
    """Relative strength index, 0-100, with Wilder's smoothing.

    It is 50 where no close differs from the one before it. TA-Lib gives 0 there, which looks like a crash.
    """
    change = np.diff(close)
    gain = _wilder(np.maximum(change, 0.0), period)
    moved = gain + _wilder(np.maximum(-change, 0.0), period)
    strength = np.where(np.isnan(moved), np.nan, _ratio(100.0 * gain, moved, otherwise=_NEUTRAL_RSI))
    return _aligned(np.clip(strength, 0.0, 100.0), len(close))


def macd(close: FloatArray, fast: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """MACD line, its signal line and their difference. Needs fast < slow.

    As TA-Lib does, both averages start at the same bar (the fast one is seeded late), and all three results start with
    the signal line.
    """
    size = len(close)
    if size < slow + signal - 1:
        nothing = np.full(size, np.nan)
        return nothing, nothing, nothing
    line = (ema(close[slow - fast :], fast)[fast - 1 :]) - ema(close, slow)[slow - 1 :]
    signal_line = ema(line, signal)[signal - 1 :]
    shown = line[signal - 1 :]
    return _aligned(shown, size), _aligned(signal_line, size), _aligned(shown - signal_line, size)


def atr(high: FloatArray, low: FloatArray, close: FloatArray, period: int) -> FloatArray:
    """Average true range with Wilder's smoothing, seeded by the mean of the first `period` true ranges."""
    return _aligned(_wilder(true_range(high, low, close), period), len(close))


def true_range(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """Range of each bar but the first, widened to the close before it: shape (n - 1,)."""
    return np.maximum(high[1:], close[:-1]) - np.minimum(low[1:], close[:-1])


def drawdown(equity: FloatArray) -> FloatArray:
    """Distance from the highest value so far as a fraction of it, <= 0; the first value counts as a peak.

    Undefined while the highest value so far is not above zero.
    """
    peak = np.maximum.accumulate(equity)
    return _ratio(equity - peak, peak, otherwise=np.nan)


def drawdown_summary(time: IntArray, equity: FloatArray) -> DrawdownSummary:
    """The deepest and the longest drawdown of a curve of at least one value. The first of equal ones counts."""
    at_peak = np.flatnonzero(equity >= np.maximum.accumulate(equity))
    fall = np.nan_to_num(drawdown(equity))
    trough = int(np.argmin(fall))
    position = int(np.searchsorted(at_peak, trough, side="right"))
    later = at_peak[position:]
    return DrawdownSummary(
        max_drawdown=float(fall[trough]),
        peak=int(at_peak[position - 1]) if fall[trough] < 0 else trough,
        trough=trough,
        recovery=(int(later[0]) if len(later) else None) if fall[trough] < 0 else trough,
        max_duration_span=_max_duration_span(time, at_peak),
    )


def _max_duration_span(time: IntArray, at_peak: npt.NDArray[np.intp]) -> tuple[int, int] | None:
    bounds = np.append(at_peak, len(time) - 1)
    starts, ends = bounds[:-1], bounds[1:]
    # Neighbouring peaks have no drawdown between them, unless the curve ends one step below its peak.
    falls = (ends - starts > 1) | ((np.arange(len(starts)) == len(starts) - 1) & (ends > starts))
    if not falls.any():
        return None
    span = int(np.argmax(np.where(falls, time[ends] - time[starts], -1)))
    return int(starts[span]), int(ends[span])


def _sessions(time_ms: IntArray, zone: str) -> IntArray:
    if len(time_ms) > 1 and np.diff(time_ms).min() < ONE_BAR_A_DAY_MS:
        return local_days(time_ms, zone)
    return np.zeros(len(time_ms), dtype=np.int64)


def _wilder(values: FloatArray, period: int) -> FloatArray:
    return _smoothed(values, period, 1.0 / period)


def _smoothed(values: FloatArray, period: int, gain: float) -> FloatArray:
    """Exponential smoothing whose first value, at index period - 1, is the mean of the values so far."""
    if len(values) < period:
        return np.full(len(values), np.nan)
    # Measured from the first value, so that the mean of equal values is exactly that value.
    seed = values[0] + (values[:period] - values[0]).mean()
    return _aligned(smooth(values[period - 1 :], float(seed), gain), len(values))


def _ratio(part: FloatArray, whole: FloatArray, otherwise: float) -> FloatArray:
    """part / whole where the whole is above zero."""
    result = np.full(len(part), otherwise)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _aligned(values: FloatArray, size: int) -> FloatArray:
    """`values` as the last ones of `size`, NaN before them."""
    result = np.full(size, np.nan)
    result[size - len(values) :] = values
    return result
