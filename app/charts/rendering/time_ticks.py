"""Which bars get a time label and what it says: the unit follows the span, a change of the larger unit is named."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from app.charts.rendering.local_time import DAY_MS, local_offsets

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from app.charts.rendering.canvas import Pixels

_MOST_TIGHT: Final = 0.08
_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR, _MONTH, _DAY, _TIME = 3, 2, 1, 0
_STEPS: Final = (
    *((_TIME, seconds * 1000) for seconds in (1, 5, 15, 30)),
    *((_TIME, minutes * _MINUTE) for minutes in (1, 2, 5, 10, 15, 30)),
    *((_TIME, hours * _HOUR) for hours in (1, 2, 3, 4, 6, 12)),
    *((_DAY, days) for days in (1, 2, 5, 10)),
    *((_MONTH, months) for months in (1, 2, 3, 6)),
    *((_YEAR, years) for years in (1, 2, 5, 10, 20, 50, 100)),
)


@dataclass(frozen=True, slots=True)
class TimeTick:
    """A label under bar `index`; `major` when it names a larger unit than its neighbours."""

    index: int
    text: str
    major: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """The wall clock of every bar: `local` milliseconds since 1970-01-01 00:00 of the zone's clock.

    `dates` is true when the bars stand for whole days: they are named by date and never moved by a time zone.
    """

    local: Pixels
    dates: bool

    def units(self, unit: int) -> NDArray[np.int64]:
        """Years, months or days of every bar, counted from 1970; milliseconds for the time of day."""
        if unit == _TIME:
            return self.local
        if unit == _DAY:
            return self.local // DAY_MS
        code = "M" if unit == _MONTH else "Y"
        return self.local.astype("datetime64[ms]").astype(f"datetime64[{code}]").astype(np.int64)


def calendar(time: Pixels, zone: str) -> Calendar:
    """The wall clock of bars at `time` (epoch milliseconds, ascending) in `zone`."""
    dates = bool(len(time)) and not (time % DAY_MS).any()
    return Calendar(time if dates else time + local_offsets(time, zone), dates)


def time_ticks(bars: Calendar, slot: float, measure: Callable[[str], int], gap: float) -> list[TimeTick]:
    """Labels for bars `slot` pixels apart, no two closer than `gap` pixels of white, the finest unit that fits."""
    if not len(bars.local):
        return []
    span = len(bars.local) * slot
    steps = [step for step in _STEPS if not (bars.dates and step[0] == _TIME)]
    for unit, size in steps:
        marks = _boundaries(bars, unit, size)
        widest = measure("00:00") if unit == _TIME else measure("2000") if unit == _YEAR else measure("Sep")
        if not len(marks):
            break
        if len(marks) * (widest + gap) > span:
            continue
        ticks = _labelled(bars, marks, unit)
        if not _crowded(ticks, slot, widest + gap):
            return _fitted(_dated(bars, ticks, unit), slot, measure, gap / 2)
    return [_first(bars)]


def _first(bars: Calendar) -> TimeTick:
    """The label of a chart in which no unit changes."""
    return TimeTick(0, moment(int(bars.local[0]), dates=bars.dates), major=False)


def _dated(bars: Calendar, ticks: list[TimeTick], unit: int) -> list[TimeTick]:
    """The ticks, the first of them with its larger unit where no other tick names it."""
    if unit not in (_DAY, _MONTH) or any(tick.major for tick in ticks):
        return ticks
    local = int(bars.local[ticks[0].index])
    text = name(local, _DAY, day_of_month=True) if unit == _DAY else f"{name(local, _MONTH)} {name(local, _YEAR)}"
    return [TimeTick(ticks[0].index, text, major=False), *ticks[1:]]


def _boundaries(bars: Calendar, unit: int, size: int) -> NDArray[np.intp]:
    """Bars in which a new step begins."""
    counts = bars.units(unit)
    if unit == _DAY and size > 1:
        # Counted within the month: 1, 6, 11 ... and never the last days, which crowd the month's own label.
        day = (
            (bars.local.astype("datetime64[ms]") - bars.local.astype("datetime64[ms]").astype("datetime64[M]"))
            .astype("timedelta64[D]")
            .astype(np.int64)
        )
        steps = bars.units(_MONTH) * 100 + np.minimum(day // size, max(30 // size - 1, 0))
    else:
        steps = counts // size
    return np.flatnonzero(np.diff(steps)) + 1


def _crowded(ticks: list[TimeTick], slot: float, least: float) -> bool:
    """Whether labels of the step itself would touch; beside a larger unit they may be left out unnoticed."""
    pairs = [(left, right) for left, right in pairwise(ticks) if not (left.major or right.major)]
    tight = sum((right.index - left.index) * slot < least for left, right in pairs)
    return tight > _MOST_TIGHT * len(pairs)


def _labelled(bars: Calendar, marks: NDArray[np.intp], unit: int) -> list[TimeTick]:
    changes = {
        larger: np.diff(bars.units(larger), prepend=bars.units(larger)[:1]) != 0
        for larger in (_YEAR, _MONTH, _DAY)
        if larger > unit
    }
    ticks = []
    for index in marks.tolist():
        largest = next(
            (larger for larger in (_YEAR, _MONTH, _DAY) if larger in changes and changes[larger][index]), unit
        )
        ticks.append(TimeTick(index, name(int(bars.local[index]), largest, day_of_month=unit == _TIME), largest > unit))
    return ticks


def name(local: int, unit: int, *, day_of_month: bool = False) -> str:
    """The name of an instant of the wall clock in one unit: 2024, Mar, 12 (or 12 Mar), 14:30."""
    moment = np.datetime64(local, "ms")
    year, month, day = (int(part) for part in str(moment.astype("datetime64[D]")).rsplit("-", 2))
    if unit == _YEAR:
        return str(year) if not day_of_month else f"{day} {_MONTHS[month - 1]} {year}"
    if unit == _MONTH:
        return f"{day} {_MONTHS[month - 1]}" if day_of_month else _MONTHS[month - 1]
    if unit == _DAY:
        return f"{day} {_MONTHS[month - 1]}" if day_of_month else str(day)
    return _clock(local)


def _clock(local: int) -> str:
    minutes, seconds = divmod(local % DAY_MS // 1000, 60)
    text = f"{minutes // 60:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if seconds else text


def moment(local: int, *, dates: bool) -> str:
    """An instant in full: 12 Mar 2024, with the time of day unless the bars are days."""
    date = name(local, _YEAR, day_of_month=True)
    return date if dates else f"{date} {_clock(local)}"


def _fitted(ticks: list[TimeTick], slot: float, measure: Callable[[str], int], gap: float) -> list[TimeTick]:
    """Without the labels that would touch a neighbour; the larger unit stays."""
    kept: list[TimeTick] = []
    for tick in ticks:
        while kept and _touch(kept[-1], tick, slot, measure, gap) and tick.major and not kept[-1].major:
            kept.pop()
        if not kept or not _touch(kept[-1], tick, slot, measure, gap):
            kept.append(tick)
    return kept


def _touch(left: TimeTick, right: TimeTick, slot: float, measure: Callable[[str], int], gap: float) -> bool:
    return (right.index - left.index) * slot < (measure(left.text) + measure(right.text)) / 2 + gap


def covered(bars: Calendar, zone: str) -> str:
    """From the first bar to the last: 2 Jan 2023 - 29 Dec 2024; times of day with the place whose clock shows them."""
    first, last = (moment(int(bars.local[end]), dates=bars.dates) for end in (0, -1))
    span = first if first == last else f"{first} \N{EN DASH} {last}"
    return span if bars.dates else f"{span} {zone.rsplit('/', 1)[-1].replace('_', ' ')}"
