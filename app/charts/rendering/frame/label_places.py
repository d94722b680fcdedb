"""Positions of axis labels: a set of bar indices that keep a minimum distance from each other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

_WIDE_FACTOR: Final = 2.5


class LabelPlaces:
    """Labels of `count` bars, at least `distance` bars apart. `units` has the unit of each labelled bar index."""

    def __init__(self, count: int, distance: float) -> None:
        self.distance = distance
        self.units: dict[int, int] = {}
        self._sorted: list[int] = []
        self._ends = (-distance, count - 1 + distance)

    def __contains__(self, index: int) -> bool:
        return index in self.units

    def indices(self) -> list[int]:
        """Indices of the labelled bars, ascending."""
        return self._sorted.copy()

    def add(self, candidates: Iterable[int], unit: int) -> None:
        """Label each candidate that keeps the distance from all labels, in the order given."""
        for index in candidates:
            place = bisect_left(self._sorted, index)
            if place > 0 and index - self._sorted[place - 1] < self.distance:
                continue
            if place < len(self._sorted) and self._sorted[place] - index < self.distance:
                continue
            self._sorted.insert(place, index)
            self.units[index] = unit

    def spread(self, candidates: Sequence[int], unit: int, limit: float = 0.0) -> None:
        """Label as many candidates (ascending) as fit into each gap of more than `limit` bars.

        Between two labels they are spaced evenly; before the first and after the last, as closely as allowed.
        """
        gaps = [gap for gap in self._gaps() if gap[1] - gap[0] > limit]
        first, last = (self._sorted[0], self._sorted[-1]) if self._sorted else (-1, -1)
        for left, right in gaps:
            if right == first:
                self.add(reversed(candidates[: bisect_left(candidates, first)]), unit)
            elif left == last or not self._sorted:
                self.add(candidates[bisect_right(candidates, last) :], unit)
            else:
                self.add(_even(candidates, left, right, self.distance), unit)

    def remove(self, unit: int) -> None:
        """Remove the labels of a unit."""
        self.discard([index for index, own in self.units.items() if own == unit])

    def discard(self, indices: Iterable[int]) -> None:
        """Remove the labels of these bars."""
        for index in indices:
            del self.units[index]
        self._sorted = sorted(self.units)

    def has_wide_gap(self) -> bool:
        """Whether a gap between labels, or before the first or after the last, is wide."""
        limit = self.wide_gap()
        return any(right - left > limit for left, right in self._gaps())

    def wide_gap(self) -> float:
        """The number of bars above which a gap counts as wide: 2.5 times the median gap or the minimum distance."""
        inner = sorted(right - left for left, right in pairwise(self._sorted))
        usual = inner[len(inner) // 2] if inner else 0
        return _WIDE_FACTOR * max(usual, self.distance)

    def _gaps(self) -> list[tuple[float, float]]:
        return [*pairwise([self._ends[0], *self._sorted, self._ends[1]])]


def _even(candidates: Sequence[int], left: float, right: float, distance: float) -> list[int]:
    """Candidates between two labels, as many and as evenly spaced as the distance allows."""
    max_count = int((right - left) / distance) - 1
    if max_count < 1:
        return []
    inside = candidates[bisect_left(candidates, left + distance) : bisect_right(candidates, right - distance)]
    for count in range(min(len(inside), max_count), 0, -1):
        step = (right - left) / (count + 1)
        chosen = [_nearest(inside, left + step * place) for place in range(1, count + 1)]
        if all(after - before >= distance for before, after in pairwise(chosen)):
            # Between unevenly spaced candidates wide gaps can remain, into which more of them fit.
            between = (_even(inside, *gap, distance) for gap in pairwise([left, *chosen, right]))
            return sorted([*chosen, *(index for part in between for index in part)])
    return []


def _nearest(candidates: Sequence[int], ideal: float) -> int:
    place = bisect_left(candidates, ideal)
    return min(candidates[max(place - 1, 0) : place + 1], key=lambda index: abs(index - ideal))
