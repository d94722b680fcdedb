"""The range of the main price scale: all bars, and other prices near enough to leave the bars 55 % of the height."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final

from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.scales import RESOLUTION

BARS_SHARE: Final = 0.55
_FLAT_SHARE: Final = 0.02
_STUDY_REACH: Final = 1.0
_FLAT_REACH: Final = 0.25


def price_range(
    data: PriceData, studies: Iterable[tuple[float, float]], prices: Iterable[float], inner: float, *, log: bool
) -> tuple[float, float]:
    """Lowest and highest price of the scale.

    The scale includes all bars, and overlays up to the height of the bars beyond them. It includes `prices`, the
    nearest first, while the bars keep 55 % of the plot's height. `inner` is the fraction of that height between the
    scale's ends. Bars of one price need no height: they include prices within 25 % of the last one.
    """
    first, last = float(data.lows.min()), float(data.highs.max())
    low, high = _with_studies(first, last, studies, log=log)
    flat = last - first <= RESOLUTION * max(abs(first), abs(last))
    transform = math.log if log else float
    max_span = math.inf if flat else (transform(last) - transform(first)) * inner / BARS_SHARE
    reach = _FLAT_REACH * abs(last)
    for price in sorted(prices, key=lambda price: max(price - last, first - price)):
        if (log and price <= 0) or (flat and abs(price - last) > reach):
            continue
        extended = min(low, price), max(high, price)
        if extended == (low, high) or transform(extended[1]) - transform(extended[0]) <= max_span:
            low, high = extended
    return low, high


def _with_studies(
    first: float, last: float, studies: Iterable[tuple[float, float]], *, log: bool
) -> tuple[float, float]:
    """The bars' range, extended for overlays by at most its own size to either side."""
    span = last - first
    reach = _STUDY_REACH * (span if span > RESOLUTION * abs(last) else abs(last) * _FLAT_SHARE)
    low, high = first, last
    for bottom, top in studies:
        if not math.isnan(bottom):
            low = min(low, max(bottom, first - reach))
            high = max(high, min(top, last + reach))
    return (max(low, first / 4), high) if log else (low, high)
