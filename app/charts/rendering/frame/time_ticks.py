"""Time labels: the choice of labelled bars and the texts of the labels.

A bar has the weight of the largest unit that begins with it in the chart's time zone: year, month, day, or a round time
of day. Labels are placed by weight, then evenly, down to the minimum distance. A time of day is labelled only after the
label of its own day, so that it is not read as a time of another day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.charts.rendering.analysis.local_time import DAY_MS, local_offsets
from app.charts.rendering.canvas.base import Flags, Pixels
from app.charts.rendering.frame.label_places import LabelPlaces

Indices = NDArray[np.intp]

_EPOCH: Final = date(1970, 1, 1)
_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YEAR, _MONTH, _DAY, _TIME = 3, 2, 1, 0
_YEAR_STEPS: Final = (1, 2, 5, 10, 20, 50, 100)
_MONTH_STEPS: Final = (1, 2, 3, 4, 6)
_TIME_STEPS: Final = (
    *(seconds * 1000 for seconds in (1, 5, 10, 15, 30)),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 4, 6, 12)),
)
_MONTHLY_MS: Final = 27 * DAY_MS
_YEARLY_MS: Final = 360 * DAY_MS
_SHORT_SESSION: Final = 0.75
_CROWDED_FACTOR: Final = 1.5
_MIN_FILLED_SHARE: Final = 0.5
_MIN_DAYS_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class TimeTick:
    """A label under bar `index`; `major` when it names a larger unit than its neighbours."""

    index: int
    text: str
    major: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """Local times of bars: `local` is in milliseconds since 1970-01-01 00:00 of the zone's clock.

    `dates` is true for bars of whole days: their labels are dates, and no time zone is applied.
    """

    local: Pixels
    dates: bool


def calendar(time: Pixels, zone: str) -> Calendar:
    """Local times in `zone` of bars at `time` (epoch milliseconds, ascending)."""
    dates = bool(len(time)) and not (time % DAY_MS).any()
    return Calendar(time if dates else time + local_offsets(time, zone), dates)


def time_ticks(bars: Calendar, slot: float, measure: Callable[[str], int], gap: float) -> list[TimeTick]:
    """Labels for bars `slot` pixels apart, with at least `gap` pixels between two labels, of the finest unit that fits.

    `measure` gives the width of a text in pixels. Times may have gaps and may be equal (Renko bricks of one bar).
    """
    if len(bars.local) < 2:  # noqa: PLR2004 - a single bar has no neighbours
        return [TimeTick(0, format_instant(local, dates=bars.dates), major=False) for local in bars.local.tolist()]
    places = _placed(bars, (_widest(bars, measure) + gap) / slot)
    finest = min(places.units.values())
    ticks = [
        TimeTick(index, name(int(bars.local[index]), unit, day_of_month=finest == _TIME), unit > finest)
        for index, unit in sorted(places.units.items())
    ]
    return _separate(_dated(bars, ticks, finest), slot, measure, gap / 2)


def _starts(bars: Calendar) -> dict[int, Flags]:
    """For each unit (year, month, day), whether a new one begins with each bar.

    The bar before the first is assumed at the median distance. A day always begins with the first bar.
    """
    usual = max(int(_median(_gaps(bars.local))), 1)
    local = np.concatenate((bars.local[:1] - usual, bars.local))
    starts = {unit: _gaps(_counts(local, unit)) != 0 for unit in (_YEAR, _MONTH, _DAY)}
    starts[_DAY][0] = True
    starts[_MONTH][0] |= usual >= _MONTHLY_MS
    starts[_YEAR][0] |= usual >= _YEARLY_MS
    return starts


def _counts(local: Pixels, unit: int) -> NDArray[np.int64]:
    """Years, months or days since 1970."""
    if unit == _DAY:
        return local // DAY_MS
    code = "M" if unit == _MONTH else "Y"
    return local.astype("datetime64[ms]").astype(f"datetime64[{code}]").astype(np.int64)


def _widest(bars: Calendar, measure: Callable[[str], int]) -> int:
    """Pixels of the widest usual label."""
    if bars.dates:
        return max(measure("2000"), measure("Sep"))
    clock = "00:00:00" if (bars.local % _MINUTE).any() else "00:00"
    return max(measure(clock), measure("30 Sep"))


def _placed(bars: Calendar, distance: float) -> LabelPlaces:
    """Labels at least `distance` bars apart, from years down to the finest unit that fills half of the gaps."""
    count = len(bars.local)
    places = LabelPlaces(count, distance)
    starts = _starts(bars)
    days = np.flatnonzero(starts[_DAY])
    years, months = _unit_starts(starts, days, distance)
    steps: tuple[tuple[int, Callable[[], None]], ...] = (
        (_YEAR, lambda: _place_periods(places, bars, years, years, _YEAR)),
        (_MONTH, lambda: _place_periods(places, bars, months, years, _MONTH)),
        (_DAY, lambda: _place_days(places, days, np.union1d(years, months), count)),
        (_TIME, lambda: _place_times(places, bars, days)),
    )
    larger = 0
    for unit, place in steps if not bars.dates else steps[:-1]:
        before, wide = places.indices(), not places.units or places.has_wide_gap()
        if larger * distance * _CROWDED_FACTOR > count and not wide:
            break
        place()
        if not wide and not _fills(places, before, unit):
            places.remove(unit)
            break
        larger = len((years, months, days)[_YEAR - unit]) if unit > _TIME else 0
    return places


def _fills(places: LabelPlaces, before: list[int], unit: int) -> bool:
    """Whether the labels of a unit fill at least half of the gaps between the labels placed `before`."""
    inner = sum(before[0] < index < before[-1] for index, own in places.units.items() if own == unit)
    return inner >= _MIN_FILLED_SHARE * (len(before) - 1)


def _place_periods(places: LabelPlaces, bars: Calendar, starts: Indices, years: Indices, unit: int) -> None:
    """Label years, or the months of labelled years, with the finest step that fits."""
    if not len(starts):
        return
    counts = _counts(bars.local[starts], unit) + (1970 if unit == _YEAR else 0)
    steps = _YEAR_STEPS if unit == _YEAR else _MONTH_STEPS
    chosen = _finest_fitting(places, (starts[counts % step == 0] for step in steps))
    if unit == _MONTH:
        starts, chosen = _of_labelled(places, starts, years), _of_labelled(places, chosen, years)
    places.add(chosen.tolist(), unit)
    places.spread(starts.tolist(), unit, places.wide_gap())


def _place_days(places: LabelPlaces, days: Indices, months: Indices, count: int) -> None:
    """Label days of labelled months. Where two labels would overlap, the day of the longer session is labelled."""
    selected = _of_labelled(places, days, months)
    long_days = _of_labelled(places, _without_short_sessions(days, count, places.distance), months)
    places.spread(long_days.tolist(), _DAY)
    if len(long_days) < len(selected):
        places.spread(selected.tolist(), _DAY)


def _unit_starts(starts: dict[int, Flags], days: Indices, distance: float) -> tuple[Indices, Indices]:
    """First bars of years and months, moved to the next day where the first session is short and the labels overlap.

    A month of foreign exchange that begins with two hours on a Sunday is labelled at its Monday.
    """
    lengths = _lengths(days, len(starts[_DAY]))
    yields = np.zeros(len(days), np.bool_)
    yields[:-1] = (_gaps(days) < distance) & (lengths[:-1] < _SHORT_SESSION * lengths[1:])
    results = []
    for unit in (_YEAR, _MONTH):
        place = np.searchsorted(days, np.flatnonzero(starts[unit]))
        while yields[place].any():
            place = place + yields[place]
        results.append(days[place[_changes(place)]])
    return results[0], results[1]


def _without_short_sessions(days: Indices, count: int, distance: float) -> Indices:
    """The days without short sessions whose label would overlap that of a longer session beside them."""
    lengths = _lengths(days, count)
    while len(days) > 1:
        apart = _gaps(days) >= distance
        kept = np.ones(len(days), np.bool_)
        kept[:-1] = apart | (lengths[:-1] >= _SHORT_SESSION * lengths[1:])
        kept[1:] &= apart | (lengths[1:] >= _SHORT_SESSION * lengths[:-1])
        if kept.all():
            break
        days, lengths = days[kept], lengths[kept]
    return days


def _finest_fitting(places: LabelPlaces, by_step: Iterable[Indices]) -> Indices:
    """The candidates of the first step whose median distance is large enough; none where no step fits."""
    for candidates in by_step:
        if len(candidates) < 2 or _median(_gaps(candidates)) >= places.distance:  # noqa: PLR2004 - no gap
            return candidates
    return np.zeros(0, np.intp)


def _gaps(values: Pixels | Indices) -> Pixels:
    """The distance of each value from the one before it; np.diff takes 4 times as long for a few."""
    distances: Pixels = values[1:] - values[:-1]
    return distances


def _lengths(days: Indices, count: int) -> Pixels:
    """How many of `count` bars each day has, from its first bar to the next day's."""
    return _gaps(np.concatenate((days, [count])))


def _changes(values: Pixels | Indices) -> Flags:
    """Which values differ from the one before them; the first one does."""
    changed = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=changed[1:])
    return changed


def _median(values: Pixels | Indices) -> float:
    """The median of one number or more; np.median takes 20 times as long for a few."""
    ranked, count = np.sort(values), len(values)
    return float((ranked[(count - 1) // 2] + ranked[count // 2]) / 2)


def _of_labelled(places: LabelPlaces, candidates: Indices, larger: Indices) -> Indices:
    """The candidates whose larger unit is labelled; before its first start, those before a labelled one."""
    if not len(larger):
        return candidates
    labelled = np.array([index in places for index in larger.tolist()])
    owner = np.searchsorted(larger, candidates, side="right") - 1
    selected: Indices = candidates[labelled[np.maximum(owner, 0)]]
    return selected


def _place_times(places: LabelPlaces, bars: Calendar, days: Indices) -> None:
    """Label round times of labelled days."""
    labelled = np.array([index in places for index in days.tolist()])
    named = labelled[np.searchsorted(days, np.arange(len(bars.local)), side="right") - 1]

    def begins(step: int) -> Indices:
        return np.flatnonzero(_changes(bars.local // step))

    # Neighbouring starts of a step can be nearly two steps apart, so steps that are too fine are skipped.
    count, shortest = len(bars.local), int(_gaps(bars.local).min())
    min_step = (places.distance - 1) * shortest if places.distance < count else 0
    chosen = _finest_fitting(places, (begins(step) for step in _TIME_STEPS if step > min_step))
    chosen = chosen[named[chosen]]
    before = places.indices()
    places.add(chosen.tolist(), _TIME)
    if len(before) > 1:
        _drop_rare(places, bars, chosen, before)
    for step in reversed(_TIME_STEPS):
        if not places.has_wide_gap():
            break
        candidates = begins(step)
        places.spread(candidates[named[candidates]].tolist(), _TIME, places.wide_gap())


def _drop_rare(places: LabelPlaces, bars: Calendar, times: Indices, days: list[int]) -> None:
    """Remove times of day that are labelled on fewer than 60 % of their days, so that days look alike."""
    clocks = dict(zip(times.tolist(), (bars.local[times] % DAY_MS).tolist(), strict=True))
    for index in days:
        clocks.pop(index, None)
    placed = {index: clock for index, clock in clocks.items() if index in places}
    occurs, has_room = Counter(clocks.values()), Counter(placed.values())
    places.discard([index for index, clock in placed.items() if has_room[clock] < _MIN_DAYS_SHARE * occurs[clock]])


def _dated(bars: Calendar, ticks: list[TimeTick], finest: int) -> list[TimeTick]:
    """The ticks. The first one names its larger unit where no other tick does."""
    if finest not in (_DAY, _MONTH) or any(tick.major for tick in ticks):
        return ticks
    local = int(bars.local[ticks[0].index])
    text = name(local, _DAY, day_of_month=True) if finest == _DAY else f"{name(local, _MONTH)} {name(local, _YEAR)}"
    return [TimeTick(ticks[0].index, text, major=False), *ticks[1:]]


def name(local: int, unit: int, *, day_of_month: bool = False) -> str:
    """The text of a local time in one unit: 2024, Mar, 12 (or 12 Mar), 14:30."""
    when = _EPOCH + timedelta(days=local // DAY_MS)
    year, month, day = when.year, when.month, when.day
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


def format_instant(local: int, *, dates: bool) -> str:
    """Date and time of a local time: 12 Mar 2024 14:30, or the date alone where `dates` is set."""
    day = name(local, _YEAR, day_of_month=True)
    return day if dates else f"{day} {_clock(local)}"


def _separate(ticks: list[TimeTick], slot: float, measure: Callable[[str], int], gap: float) -> list[TimeTick]:
    """The ticks without those whose labels would touch a neighbour. The larger unit is kept."""
    kept: list[TimeTick] = []
    for tick in ticks:
        while kept and _touch(kept[-1], tick, slot, measure, gap):
            if kept[-1].major or not tick.major:
                break
            kept.pop()
        else:
            kept.append(tick)
    return kept


def _touch(left: TimeTick, right: TimeTick, slot: float, measure: Callable[[str], int], gap: float) -> bool:
    return (right.index - left.index) * slot < (measure(left.text) + measure(right.text)) / 2 + gap


def date_range(bars: Calendar, zone: str) -> str:
    """Dates of the first and the last bar: 2 Jan 2023 - 29 Dec 2024. Times of day are followed by the zone's name."""
    first, last = (format_instant(int(bars.local[end]), dates=bars.dates) for end in (0, -1))
    span = first if first == last else f"{first} \N{EN DASH} {last}"
    return span if bars.dates else f"{span} {zone.rsplit('/', 1)[-1].replace('_', ' ')}"
