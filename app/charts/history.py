"""How many bars before the first visible one the indicators need, so that their values do not depend on it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.charts.domain import AtrPanel, Bollinger, MacdPanel, MovingAverage, Overlay, Panel, RsiPanel, Vwap
from app.market.domain import Bars
from app.shared.instruments import TIMEFRAME_SECONDS

MAX_HIDDEN: Final = 1_000
_EXPONENTIAL: Final = 4
"""Periods after which an exponential average keeps e^-8, 0.03 %, of its initial value."""
_WILDER: Final = 10
"""Periods after which Wilder's smoothing, whose gain is 1 / n, keeps e^-10, 0.005 %, of its initial value."""
_DAY_SECONDS: Final = 86_400


class StoredBars(NamedTuple):
    """Bars, and how many of them are visible, counted from the last."""

    bars: Bars
    visible: int


def bars_needed(overlays: Iterable[Overlay], panels: Iterable[Panel], timeframe: str) -> int:
    """Return how many bars before the first visible one the indicators need, at most MAX_HIDDEN."""
    needs = (_hidden_bars(part, TIMEFRAME_SECONDS[timeframe]) for part in (*overlays, *panels))
    return min(max(needs, default=0), MAX_HIDDEN)


def _hidden_bars(part: Overlay | Panel, bar_seconds: int) -> int:
    match part:
        case MovingAverage(kind="ema"):
            return _EXPONENTIAL * part.period
        case MovingAverage() | Bollinger():
            return part.period
        case MacdPanel():
            return _EXPONENTIAL * (part.slow + part.signal)
        case RsiPanel() | AtrPanel():
            return _WILDER * part.period
        case Vwap() if bar_seconds < _DAY_SECONDS:
            return _DAY_SECONDS // bar_seconds
        case _:
            return 0
