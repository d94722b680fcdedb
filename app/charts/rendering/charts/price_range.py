"""Which prices the main scale holds: all bars, and what else lies near enough to leave the bars most of the height."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from app.charts.rendering.plotting.scales import RESOLUTION

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.charts.rendering.plotting.price_data import PriceData

BARS_SHARE: Final = 0.55
_FLAT_SHARE: Final = 0.02
_STUDY_REACH: Final = 1.0
_FLAT_REACH: Final = 0.25


def price_range(
    data: PriceData, studies: Iterable[tuple[float, float]], prices: Iterable[float], inner: float, *, log: bool
) -> tuple[float, float]:
    """Lowest and highest price of the scale: bars, overlays not too far away, and of `prices` the nearest ones.

    Prices are taken in as long as the bars keep 55 % of the plot's height, of which `inner` is the share between the
    scale's ends. Bars that are all equal need no height.
    """
    first, last = float(data.lows.min()), float(data.highs.max())
    low, high = _with_studies(first, last, studies, log=log)
    flat = last - first <= RESOLUTION * max(abs(first), abs(last))
    place = math.log if log else float
    allowed = math.inf if flat else (place(last) - place(first)) * inner / BARS_SHARE
    reach = _FLAT_REACH * abs(last)
    for price in sorted(prices, key=lambda price: max(price - last, first - price)):
        if (log and price <= 0) or (flat and abs(price - last) > reach):
            continue
        wider = min(low, price), max(high, price)
        if wider == (low, high) or place(wider[1]) - place(wider[0]) <= allowed:
            low, high = wider
    return low, high


def _with_studies(
    first: float, last: float, studies: Iterable[tuple[float, float]], *, log: bool
) -> tuple[float, float]:
    """The bars' range, widened for overlays by at most its own size to either side."""
    span = last - first
    reach = _STUDY_REACH * (span if span > RESOLUTION * abs(last) else abs(last) * _FLAT_SHARE)
    low, high = first, last
    for bottom, top in studies:
        if not math.isnan(bottom):
            low = min(low, max(bottom, first - reach))
            high = max(high, min(top, last + reach))
    return (max(low, first / 4), high) if log else (low, high)
