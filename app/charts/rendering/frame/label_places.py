"""Places of axis labels: a growing set of bar indices that keep a minimum distance from each other."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WIDE: Final = 2.5


class LabelPlaces:
    """Labels along `count` bars, no two of them closer than `distance` bars, each with the unit it names."""

    def __init__(self, count: int, distance: float) -> None:
        self.distance = distance
        self.units: dict[int, int] = {}
        self._sorted: list[int] = []
        self._ends = (-distance, count - 1 + distance)

    def __contains__(self, index: int) -> bool:
        return index in self.units

    def indices(self) -> list[int]:
        """Bars with a label, ascending."""
        return self._sorted.copy()

    def add(self, candidates: Iterable[int], unit: int) -> None:
        """Place the candidates that keep their distance from all labels, from left to right."""
        for index in candidates:
            place = bisect_left(self._sorted, index)
            if place > 0 and index - self._sorted[place - 1] < self.distance:
                continue
            if place < len(self._sorted) and self._sorted[place] - index < self.distance:
                continue
            self._sorted.insert(place, index)
            self.units[index] = unit

    def spread(self, candidates: Sequence[int], unit: int, limit: float = 0.0) -> None:
        """Place as many candidates (ascending) as have room within each gap of more than `limit` bars.

        Between two labels they are placed evenly, before the first and after the last as close as may be.
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
        """Take the labels of a unit away."""
        self.discard([index for index, own in self.units.items() if own == unit])

    def discard(self, indices: Iterable[int]) -> None:
        """Take labels away."""
        for index in indices:
            del self.units[index]
        self._sorted = sorted(self.units)

    def has_wide_gap(self) -> bool:
        """Whether a gap between labels, or beyond the first or the last, stands out beside the others."""
        limit = self.wide_gap()
        return any(right - left > limit for left, right in self._gaps())

    def wide_gap(self) -> float:
        """Bars from which on a gap stands out."""
        inner = sorted(right - left for left, right in pairwise(self._sorted))
        usual = inner[len(inner) // 2] if inner else 0
        return _WIDE * max(usual, self.distance)

    def _gaps(self) -> list[tuple[float, float]]:
        return [*pairwise([self._ends[0], *self._sorted, self._ends[1]])]


def _even(candidates: Sequence[int], left: float, right: float, distance: float) -> list[int]:
    """Candidates between two labels, as many and as evenly as the distance allows."""
    most = int((right - left) / distance) - 1
    if most < 1:
        return []
    inside = candidates[bisect_left(candidates, left + distance) : bisect_right(candidates, right - distance)]
    for count in range(min(len(inside), most), 0, -1):
        step = (right - left) / (count + 1)
        chosen = [_nearest(inside, left + step * place) for place in range(1, count + 1)]
        if all(after - before >= distance for before, after in pairwise(chosen)):
            # Where the candidates are uneven, wide gaps may be left in which more have room.
            between = (_even(inside, *gap, distance) for gap in pairwise([left, *chosen, right]))
            return sorted([*chosen, *(index for part in between for index in part)])
    return []


def _nearest(candidates: Sequence[int], ideal: float) -> int:
    place = bisect_left(candidates, ideal)
    return min(candidates[max(place - 1, 0) : place + 1], key=lambda index: abs(index - ideal))
