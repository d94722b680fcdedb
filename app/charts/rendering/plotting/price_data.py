"""The bars of a price chart: checked, transformed (Heikin-Ashi, Renko) and aggregated where they would not fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.charts.domain import ChartSpec
from app.charts.rendering.analysis.local_time import DAY_MS
from app.charts.rendering.analysis.transforms import (
    BarArrays,
    BrickError,
    aggregate,
    heikin_ashi,
    renko,
)
from app.charts.rendering.canvas.base import Floats
from app.charts.rendering.errors import RenderError
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.scales import MIN_VALUE
from app.charts.rendering.plotting.timeline import bar_length
from app.market.domain import Bars

MAX_VALUE: Final = 1e100
MIN_TIME_MS: Final = -2_208_988_800_000  # 1 January 1900
MAX_TIME_MS: Final = 7_258_118_400_000  # 1 January 2200
_PRICES: Final = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class PriceData:
    """The bars of a price chart. `full` are the visible bars, `shown` the drawn ones, of `factor` visible bars each.

    `brick` is the size of Renko bricks in price units. `closes_only` is true for lines and areas. A bar lasts `bar_ms`
    milliseconds, the last one until `ends_at` (epoch milliseconds); Renko bricks have no duration and are not `timed`.
    `market_close` is the last close of the data where that of the bars is calculated. `history` are the visible bars
    with those before them, on which indicators are computed; None stands for `full`.
    """

    full: BarArrays
    shown: BarArrays
    factor: int
    decimals: int
    brick: float | None = None
    closes_only: bool = False
    bar_ms: int = DAY_MS
    ends_at: int = 0
    timed: bool = True
    market_close: float | None = None
    history: BarArrays | None = None

    @property
    def last_close(self) -> float:
        """The last close of the market, or of the last Renko brick."""
        return float(self.full.close[-1]) if self.market_close is None else self.market_close

    @property
    def past(self) -> BarArrays:
        """The bars on which indicators are computed."""
        return self.full if self.history is None else self.history

    def visible(self, values: Floats) -> Floats:
        """The part of a series over `past` with one value per visible bar."""
        return values[len(values) - len(self.full) :]

    @property
    def lows(self) -> Floats:
        """The lower end of each shown bar: its low, or its close where only closes are drawn."""
        return self.shown.close if self.closes_only else self.shown.low

    @property
    def highs(self) -> Floats:
        """The upper end of each shown bar."""
        return self.shown.close if self.closes_only else self.shown.high

    def sample(self, values: Floats) -> Floats:
        """One value per shown bar: of a series over the visible bars, the last value of each group of `factor`."""
        if self.factor == 1:
            return values
        last = np.minimum(np.arange(self.factor, len(values) + self.factor, self.factor), len(values)) - 1
        sampled: Floats = values[last]
        return sampled

    def aggregated(self, factor: int) -> PriceData:
        """The same data with `factor` visible bars in each shown one."""
        return self if factor == self.factor else replace(self, shown=aggregate(self.full, factor), factor=factor)


def price_data(spec: ChartSpec) -> PriceData:
    """The spec's bars as its chart type shows them. Raises RenderError for bars that break a rule."""
    if not isinstance(spec.data, Bars):
        raise RenderError("/data", f"a {spec.type} chart needs bars: time, open, high, low, close")
    _check_lengths(spec.data)
    bars = _checked(BarArrays.from_bars(spec.data), log=spec.y_scale == "log")
    decimals = _decimals(bars) if spec.precision is None else spec.precision
    length = bar_length(bars.time, spec.timeframe)
    ends_at = int(bars.time[-1]) + length
    market_close = None
    if spec.type == "heikin_ashi":
        market_close = float(bars.close[-1])
        bars = heikin_ashi(bars)
    visible = bars if spec.visible is None else bars.last(spec.visible)
    if spec.type == "renko":
        bricks, size = _bricks(visible, spec)
        return PriceData(bricks, bricks, 1, decimals, size, bar_ms=length, ends_at=ends_at, timed=False)
    return PriceData(
        visible,
        visible,
        1,
        decimals,
        closes_only=spec.type in ("line", "area"),
        bar_ms=length,
        ends_at=ends_at,
        market_close=market_close,
        history=bars,
    )


def _decimals(bars: BarArrays) -> int:
    """The instrument's precision, from its last 64 bars."""
    return number_format.decimals_of(
        np.concatenate((bars.close[-64:], bars.open[-64:], bars.high[-64:], bars.low[-64:]))
    )


def _bricks(bars: BarArrays, spec: ChartSpec) -> tuple[BarArrays, float]:
    if spec.brick.mode == "fixed" and not (spec.brick.size and 0 < spec.brick.size <= MAX_VALUE):
        raise RenderError("/brick/size", "a fixed brick needs a size above 0")
    try:
        bricks, size = renko(bars, spec.brick)
    except BrickError as error:
        raise RenderError("/brick/size", str(error)) from error
    if not len(bricks):
        raise RenderError("/brick", f"the close never moves by a whole brick of {size:.6g}")
    return bricks, size


def _check_lengths(bars: Bars) -> None:
    if not bars.time:
        raise RenderError("/data/time", "there are no bars")
    for name in (*_PRICES, "volume"):
        column = getattr(bars, name)
        if column is not None and len(column) != len(bars.time):
            raise RenderError(f"/data/{name}", f"{len(column)} values for {len(bars.time)} times")


def check_times(time: NDArray[np.int64]) -> None:
    """Raise RenderError unless times rise and lie in the years 1900 to 2199."""
    _raise_where("time", (time < MIN_TIME_MS) | (time >= MAX_TIME_MS), "outside the years 1900 to 2199")
    _raise_where("time", time[1:] <= time[:-1], "not later than the one before it", first=1)


def checked_values(name: str, values: Floats) -> Floats:
    """The values, with 0 for those too small to draw. Raises RenderError for infinite and too large values.

    With magnitudes between 1e-100 and 1e100, the ratios and squares of indicators stay finite.
    """
    sizes = np.abs(values)
    # NaN is not below the limit either.
    if len(sizes) and not sizes.max() <= MAX_VALUE:
        _raise_where(name, ~np.isfinite(values), "not a finite number")
        _raise_where(name, sizes > MAX_VALUE, f"larger than {MAX_VALUE:.0e}")
    return np.where(sizes < MIN_VALUE, 0.0, values)


def _checked(raw: BarArrays, *, log: bool) -> BarArrays:
    """The bars with checked values. Raises RenderError for the first value that breaks a rule."""
    check_times(raw.time)
    prices: dict[str, Any] = {name: checked_values(name, getattr(raw, name)) for name in _PRICES}
    bars = replace(raw, **prices, volume=None if raw.volume is None else checked_values("volume", raw.volume))
    _raise_where("high", bars.high < np.maximum(bars.open, bars.close), "lower than the open or the close")
    _raise_where("low", bars.low > np.minimum(bars.open, bars.close), "higher than the open or the close")
    if log:
        _raise_where("low", bars.low <= 0, "a logarithmic scale needs prices above 0")
    if bars.volume is not None:
        _raise_where("volume", bars.volume < 0, "negative")
    return bars


def _raise_where(name: str, invalid: NDArray[np.bool_], message: str, first: int = 0) -> None:
    """RenderError at the first bar that is broken; the flags begin with bar `first`."""
    if invalid.any():
        raise RenderError(f"/data/{name}/{first + int(np.argmax(invalid))}", message)
