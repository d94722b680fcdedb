"""The volume profile: volume by price, with point of control and value area."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.charts.rendering.analysis.rolling import FloatArray

VALUE_AREA: Final = 0.7
_EQUAL: Final = 1e-12  # relative tolerance for volumes that differ by rounding alone
_FLAT_SPAN: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Profile:
    """Volume in rows from the lowest low to the highest high, of equal height on the price axis.

    `edges` has one value more than `volumes`; row i reaches from edges[i] to edges[i + 1]. The value area is the rows
    from `value_area_low_index` to `value_area_high_index`, both included.
    """

    edges: FloatArray
    volumes: FloatArray
    poc_index: int
    value_area_low_index: int
    value_area_high_index: int
    log: bool = False

    @property
    def poc(self) -> float:
        """The price in the middle of the point of control: on a logarithmic axis, the geometric mean of its edges."""
        low, high = float(self.edges[self.poc_index]), float(self.edges[self.poc_index + 1])
        return math.sqrt(low) * math.sqrt(high) if self.log else (low + high) / 2


def volume_profile(high: FloatArray, low: FloatArray, volume: FloatArray, rows: int, *, log: bool = False) -> Profile:
    """Each bar's volume spread evenly over its range, summed by row.

    Edge i of n rows from the lowest low L to the highest high H is L + (H - L) i / n; with `log` (prices above 0) it is
    L (H / L) ** (i / n), which makes rows of equal height on a logarithmic axis. A row holds, of each bar, the volume
    times the part of the bar's range, in price, that lies in the row: the rows' sum is the volume of all bars.

    The point of control is the row of largest volume; of equal rows, the one nearest the middle. The value area grows
    from it by the larger of the rows above and below (the upper if equal) until it has 70 % of the volume. Needs at
    least one bar.
    """
    edges = _edges(float(low.min()), float(high.max()), rows, log=log)
    volumes = _volumes(high, low, volume, edges)
    poc = _point_of_control(volumes)
    bottom, top = _value_area(volumes.tolist(), poc)
    return Profile(edges, volumes, poc, bottom, top, log)


def _edges(bottom: float, top: float, rows: int, *, log: bool) -> FloatArray:
    if top <= bottom:
        reach = abs(bottom) * _FLAT_SPAN or 1.0
        bottom, top = bottom - reach, top + reach
    return np.geomspace(bottom, top, rows + 1) if log else np.linspace(bottom, top, rows + 1)


def _volumes(high: FloatArray, low: FloatArray, volume: FloatArray, edges: FloatArray) -> FloatArray:
    """Volume of each row: of each bar, its volume times the part of its range that lies in the row.

    Row heights are differences of the rounded edges, so that the rows of a bar sum up to its volume.
    """
    rows = len(edges) - 1
    first, last = _row_of(low, edges), _row_of(high, edges)
    wide = last > first
    density = np.zeros(len(volume))
    np.divide(volume, high - low, out=density, where=wide)
    through = np.where(last > first + 1, density, 0.0)
    # The weight is zero for bars to which a line does not apply.
    total = np.bincount(first, np.where(wide, 0.0, volume), rows)
    total += np.bincount(first, density * (edges[first + 1] - low), rows)
    total += np.bincount(last, density * (high - edges[last]), rows)
    between = np.cumsum(np.bincount(first + wide, through, rows) - np.bincount(last, through, rows))
    return np.maximum(total + between * np.diff(edges), 0.0)


def _row_of(price: FloatArray, edges: FloatArray) -> npt.NDArray[np.intp]:
    return np.clip(np.searchsorted(edges, price, side="right") - 1, 0, len(edges) - 2)


def _point_of_control(volumes: FloatArray) -> int:
    largest = np.flatnonzero(volumes >= volumes.max() * (1.0 - _EQUAL))
    return int(largest[np.argmin(np.abs(largest - (len(volumes) - 1) / 2.0))])


def _value_area(volumes: list[float], poc: int) -> tuple[int, int]:
    bottom = top = poc
    target = VALUE_AREA * sum(volumes) * (1.0 - _EQUAL)
    total = volumes[poc]
    while total < target:
        above = volumes[top + 1] if top + 1 < len(volumes) else -1.0
        below = volumes[bottom - 1] if bottom > 0 else -1.0
        if above >= below:
            top += 1
        else:
            bottom -= 1
        total += max(above, below)
    return bottom, top
