"""The time slots of a price chart: the length of a bar, the slot of an instant, the slots after the last bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.charts.rendering.analysis.local_time import DAY_MS
from app.charts.rendering.canvas.base import Pixels
from app.charts.rendering.plotting.sessions import next_opens
from app.shared.instruments import TIMEFRAME_SECONDS

FRIDAY: Final = 1  # 1 January 1970 was a Thursday, day 0 of the epoch's weeks
_WEEK_DAYS: Final = 7
_USUAL_SHARE: Final = 0.2
_MAJORITY_SHARE: Final = 0.5
_MIN_GAPS: Final = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """The slot of an instant: `index` counts shown bars and the slots after them.

    `pinned` marks an instant too far away for its own slot: it is drawn at the nearest one, with its time as text.
    """

    index: int
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Opening times (epoch milliseconds) of all bars and of the slots after the last one.

    `time` are the bars before aggregation; a shown slot has `factor` of them. The last bar ends at `ends_at`; a bar
    lasts `length` milliseconds. `free_slots` counts the shown slots after the last bar. `later` are their opens before
    aggregation: none for Renko bricks, which have no duration, and none from the slot `pin` on. At `pin` are the
    instants too far away for their own slots (-1: there are none).
    """

    time: Pixels
    factor: int
    ends_at: int
    length: int
    later: Pixels
    free_slots: int
    pin: int

    @property
    def bars(self) -> int:
        """The number of shown bars."""
        return -(-len(self.time) // self.factor)

    @property
    def slots(self) -> int:
        """The number of shown bars and slots after them."""
        return self.bars + self.free_slots

    def opens(self) -> Pixels:
        """Opening times of the shown bars and of the slots after them up to `pin`."""
        return np.concatenate((self.time[:: self.factor], self.later[:: self.factor]))

    def find(self, instant: int) -> Slot | None:
        """The slot that contains the instant; None before the first bar.

        An instant between two slots after the last bar, as on a weekend, belongs to the later one.
        """
        if instant < self.time[0]:
            return None
        if instant < self.ends_at:
            return Slot((int(np.searchsorted(self.time, instant, side="right")) - 1) // self.factor)
        place = int(np.searchsorted(self.later + self.length, instant, side="right"))
        if place < len(self.later):
            return Slot(self.bars + place // self.factor)
        return Slot(self.pin if self.pin >= 0 else self.slots - 1, pinned=True)


def bar_length(time: Pixels, timeframe: str) -> int:
    """Milliseconds that a bar lasts: the named timeframe, unless the bars contradict it; else their usual distance.

    The usual distance is the most frequent one, or the median where no distance is frequent. Bars contradict a
    timeframe when they are closer together, or when more than half of them have one other distance.
    """
    named = TIMEFRAME_SECONDS.get(timeframe, 0) * 1000
    gaps = np.diff(time)
    gaps = gaps[gaps > 0]
    if not len(gaps):
        return named or DAY_MS
    least = int(gaps.min())
    if named and (named == least or (named < least and len(gaps) < _MIN_GAPS)):
        return named
    if len(gaps) == 1 and gaps[0] == 3 * DAY_MS and time[0] // DAY_MS % _WEEK_DAYS == FRIDAY:
        return DAY_MS
    distances, counts = np.unique(gaps, return_counts=True)
    usual = int(np.argmax(counts))
    if 0 < named < least and counts[usual] <= _MAJORITY_SHARE * len(gaps):
        return named
    return int(distances[usual]) if counts[usual] >= _USUAL_SHARE * len(gaps) else int(np.median(gaps))


def slots_after(time: Pixels, length: int, count: int, instants: Sequence[int]) -> tuple[int, Pixels]:
    """The end of the last bar and the opens of the next `count` slots, in epoch milliseconds.

    `instants` are the times to be placed there: a weekend with one of them does not count as closed.
    """
    last = int(time[-1])
    opens = next_opens(time, length, max(count, 1), [instant for instant in instants if instant >= last + length])
    return min(last + length, int(opens[0])) if _is_calendar(length) else last + length, opens[:count]


def _is_calendar(length: int) -> bool:
    """Whether bars of this length stand for calendar months, whose next open may come before a full length."""
    return length >= 4 * _WEEK_DAYS * DAY_MS
