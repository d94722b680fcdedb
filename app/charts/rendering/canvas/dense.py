"""Lines and areas with more points than pixel columns, or that go up and down within each column.

`thinned` is the M4 aggregation of Jugel, Jerzak, Hackenbroich and Markl ("M4: A Visualization-Oriented Time Series
Data Aggregation", PVLDB 7(10), 2014): of each pixel column only the first, lowest, highest and last point are kept.
The other functions compute the coverage of each pixel column by a line or an area. Their cost does not depend on how
often the line goes up and down.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.charts.rendering.canvas.base import Box, Floats

PARTS: Final = 8
"""Strips in one pixel column: a line's edge is exact to an eighth of a pixel across."""
_KEPT: Final = 4
_DENSE: Final = 16  # a line this long relative to the box's area takes Agg longer than the column method


def thinned(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """The points that M4 keeps, or the same arrays where there are at most four per column. `x` must rise.

    A NaN in `y` separates the points before it from those after it.
    """
    if len(x) <= _KEPT or len(x) <= _KEPT * (x[-1] - x[0] + 1):
        return x, y
    missing = np.isnan(y)
    begins = np.append(True, (np.diff(np.floor(x)) != 0) | (np.diff(missing) != 0))
    group = np.cumsum(begins)
    first = np.flatnonzero(begins)
    last = np.append(first[1:], len(x)) - 1
    by_height = np.lexsort((y, group))
    kept = np.unique(np.concatenate((first, last, by_height[first], by_height[last])))
    return x[kept], y[kept]


def is_dense(y: Floats, box: Box) -> bool:
    """Whether a line goes up and down so much inside the box that drawing it by columns is faster."""
    if len(y) <= _DENSE:
        return False
    inside = np.minimum(np.maximum(y, box.top), box.bottom)
    steps = np.abs(inside[1:] - inside[:-1])
    travel = float(steps.sum())
    if math.isnan(travel):
        travel = float(np.nansum(steps))
    return travel * _DENSE > box.width * box.height


def line_spans(x: Floats, y: Floats, width: float, left: int, right: int) -> tuple[Floats, Floats]:
    """Top and bottom, in pixels, of a line `width` pixels wide in each strip from column `left` to `right`.

    Shape ((right - left) * PARTS,); NaN in strips without the line. A round pen extends the range of each strip.
    """
    edges = left + np.arange((right - left) * PARTS + 1) / PARTS
    at_edges = np.interp(edges, x, y, np.nan, np.nan)
    top, bottom = np.fmin(at_edges[:-1], at_edges[1:]), np.fmax(at_edges[:-1], at_edges[1:])
    strip = np.floor((x - left) * PARTS).astype(np.int64)
    inside = (strip >= 0) & (strip < len(top))
    np.fmin.at(top, strip[inside], y[inside])
    np.fmax.at(bottom, strip[inside], y[inside])
    return _widened(top, -1, width / 2), _widened(bottom, 1, width / 2)


def area_spans(x: Floats, upper: Floats, lower: Floats, left: int, right: int) -> tuple[Floats, Floats]:
    """Top and bottom of the area between two lines in the middle of each strip, as `line_spans` gives them."""
    middles = left + (np.arange((right - left) * PARTS) + 0.5) / PARTS
    one, other = (np.interp(middles, x, edge, np.nan, np.nan) for edge in (upper, lower))
    return np.fmin(one, other), np.fmax(one, other)


def coverage(tops: Floats, bottoms: Floats, first: int, rows: int) -> NDArray[np.float32]:
    """The fraction (0 to 1) of each pixel that the spans cover: shape (rows, strips / PARTS), from row `first` on.

    Each end of a span changes the coverage in two neighbouring rows; cumulative sums down the columns give the total.
    """
    columns = len(tops) // PARTS
    present = np.flatnonzero(~np.isnan(tops))
    change = np.zeros((rows + 2) * columns, np.float32)
    for ends, sign in ((tops, 1.0), (bottoms, -1.0)):
        end = np.clip(ends[present] - first, 0, rows)
        row = np.floor(end)
        after = sign * (end - row) / PARTS
        place = row.astype(np.int64) * columns + present // PARTS
        np.add.at(change, place, (sign / PARTS - after).astype(np.float32))
        np.add.at(change, place + columns, after.astype(np.float32))
    share = change.reshape(rows + 2, columns)[:rows]
    return np.cumsum(share, axis=0, out=share)


def _widened(ends: Floats, direction: int, radius: float) -> Floats:
    """The ends moved outwards by a round pen: for each strip, the farthest edge of the pen at strips within reach."""
    reach = int(radius * PARTS)
    padded = np.pad(ends, reach, constant_values=np.nan)
    farthest, pick = np.full(len(ends), np.nan), np.fmin if direction < 0 else np.fmax
    for offset in range(-reach, reach + 1):
        height = np.sqrt(max(radius**2 - (offset / PARTS) ** 2, 0.0))
        farthest = pick(farthest, padded[reach + offset : reach + offset + len(ends)] + direction * height)
    return farthest
