"""Days and hours on which a market trades, learned from its bars, and the opening times after the last bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from app.charts.rendering.analysis.local_time import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.rendering.canvas.base import Flags, Pixels

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_WEEK_MS: Final = 7 * DAY_MS
_MONTH_MS: Final = 28 * DAY_MS
_LEARNED_MS: Final = 8 * _WEEK_MS  # older weeks may have had other hours, such as summer time
_SATURDAY, _SUNDAY, _FRIDAY = 2, 3, 1  # days after Thursday, with which the epoch's weeks begin
_WEEKDAYS: Final = (0, 1, 4, 5, 6)
_WEEKEND: Final = slice(_SATURDAY, _SUNDAY + 1)
_OPEN_SHARE: Final = 3  # open is what traded in at least every third week
_FX_CLOSE_MS: Final = (20 * _HOUR_MS, 22 * _HOUR_MS)  # 17:00 in New York is 21:00 or 22:00 UTC
_GROWTH: Final = 8
_MAX_CANDIDATES: Final = 200_000


def next_opens(time: Pixels, length: int, count: int, instants: Sequence[int] = ()) -> Pixels:
    """Opening times of the `count` bars after the last one (epoch milliseconds), `length` apart within a session.

    No bar opens on days or hours that the data covers but never has. Where the data is too short to cover them,
    weekends count as closed for bars of days, for markets with nights, and after a last bar late on a Friday (UTC),
    unless one of `instants` lies on such a weekend.
    """
    last = int(time[-1])
    if length > DAY_MS or DAY_MS % max(length, _MINUTE_MS):
        return _months(time, length, count) if length >= _MONTH_MS else _evenly(last, length, count)
    grid = max(length, _MINUTE_MS)
    is_open = _open_week(time[time > last - _LEARNED_MS], grid, instants)
    if not is_open.any():
        return _evenly(last, length, count)
    return _open_times(last, length, count, is_open, grid)


def _evenly(last: int, length: int, count: int) -> Pixels:
    return last + length * np.arange(1, count + 1, dtype=np.int64)


def _months(time: Pixels, length: int, count: int) -> Pixels:
    """The next opens of bars of whole months; of bars of weeks where the last two begin on different days."""
    if len(time) > 1:
        months = time[-2:].astype("datetime64[ms]").astype("datetime64[M]")
        offsets = time[-2:] - months.astype("datetime64[ms]").astype(np.int64)
        step = int((months[1] - months[0]).astype(np.int64))
        if offsets[0] == offsets[1] and step:
            following = months[1] + step * np.arange(1, count + 1)
            opens: Pixels = following.astype("datetime64[ms]").astype(np.int64) + offsets[1]
            return opens
    return _evenly(int(time[-1]), length, count)


def _open_times(last: int, length: int, count: int, is_open: Flags, grid: int) -> Pixels:
    found = np.zeros(0, np.int64)
    tried, more = 0, 2 * count
    while len(found) < count and tried < _MAX_CANDIDATES:
        candidates = last + length * np.arange(tried + 1, tried + more + 1, dtype=np.int64)
        found = np.concatenate((found, candidates[is_open[candidates // grid % len(is_open)]]))
        tried, more = tried + more, more * _GROWTH
    if len(found) < count:
        # Bars of milliseconds cannot step over a closed weekend one by one.
        found = np.concatenate((found, _evenly(int(found[-1]) if len(found) else last, length, count - len(found))))
    return found[:count]


def _open_week(time: Pixels, grid: int, instants: Sequence[int]) -> Flags:
    """For each step of `grid` milliseconds of a week, from Thursday 00:00 UTC on: whether the market is open."""
    steps = time // grid
    steps = np.concatenate((steps[:1], steps[1:][steps[1:] != steps[:-1]]))
    size = _WEEK_MS // grid
    seen = np.bincount(steps % size, minlength=size)
    covered = _times_covered(int(steps[0]), int(steps[-1]), size)
    by_day, due = seen.reshape(7, -1), covered.reshape(7, -1)
    hours = _open_hours(by_day, due)
    is_open = np.where(due > 0, by_day * _OPEN_SHARE >= np.maximum(due, 1), hours)
    # A weekday without a single bar was a holiday, or is not covered.
    traded = by_day.sum(axis=1)
    for day in _WEEKDAYS:
        if not traded[day]:
            is_open[day] = hours
    unknown = np.zeros_like(is_open)
    unknown[_WEEKEND] = due[_WEEKEND] == 0
    _close_weekend(is_open, unknown, hours, time, grid)
    flat, guessed = is_open.ravel(), unknown.ravel()
    if any(guessed[instant // grid % size] and not flat[instant // grid % size] for instant in instants):
        flat = np.where(guessed, np.tile(hours, 7), flat)
    return flat


def _times_covered(first: int, last: int, size: int) -> Pixels:
    """How often each step of the week lies between two steps, both included."""
    weeks, rest = divmod(last - first + 1, size)
    covered = np.full(size, weeks, np.int64)
    covered[(first + np.arange(rest)) % size] += 1
    return covered


def _open_hours(by_day: Pixels, due: Pixels) -> Flags:
    """Steps of a day on which the market trades from Monday to Friday; those not covered count as open."""
    seen, covered = (counts.sum(axis=0) - counts[_WEEKEND].sum(axis=0) for counts in (by_day, due))
    return np.asarray((covered == 0) | (seen * _OPEN_SHARE >= np.maximum(covered, 1)) & (seen > 0))


def _close_weekend(is_open: Flags, unknown: Flags, hours: Flags, time: Pixels, grid: int) -> None:
    """Close the steps of a weekend of which the data says nothing, where weekends are likely to be closed.

    `unknown` keeps the steps that this is a guess about.
    """
    in_day, day = int(time[-1]) % DAY_MS, int(time[-1]) // DAY_MS % 7
    if grid == DAY_MS or not hours.all():
        is_open[unknown] = False
    elif day == _FRIDAY and _FX_CLOSE_MS[0] <= in_day + grid <= _FX_CLOSE_MS[1] and unknown.any():
        # FX opens on Sunday at the hour of New York at which it closed on Friday.
        closed = in_day // grid + 1
        unknown[_FRIDAY, closed:] = True
        unknown[_SUNDAY, closed:] = False
        is_open[unknown] = False
