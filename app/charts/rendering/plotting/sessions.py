"""Trading days and hours of a market, inferred from its bars, and the opening times after the last bar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from app.charts.rendering.analysis.local_time import DAY_MS
from app.charts.rendering.canvas.base import Flags, Pixels

_MINUTE_MS: Final = 60_000
_HOUR_MS: Final = 60 * _MINUTE_MS
_WEEK_MS: Final = 7 * DAY_MS
_MONTH_MS: Final = 28 * DAY_MS
_LEARNED_MS: Final = 8 * _WEEK_MS  # older weeks may have other hours, because of summer time
_SATURDAY, _SUNDAY, _FRIDAY = 2, 3, 1  # days after Thursday, with which the epoch's weeks begin
_WEEKDAYS: Final = (0, 1, 4, 5, 6)
_WEEKEND: Final = slice(_SATURDAY, _SUNDAY + 1)
_OPEN_SHARE: Final = 3  # a step of the week is open if it has bars in every third week or more often
_FX_CLOSE_MS: Final = (20 * _HOUR_MS, 22 * _HOUR_MS)  # 17:00 in New York is 21:00 or 22:00 UTC
_GROWTH: Final = 8
_MAX_CANDIDATES: Final = 200_000


def next_opens(time: Pixels, length: int, count: int, instants: Sequence[int] = ()) -> Pixels:
    """Opening times of the `count` bars after the last one (epoch milliseconds), `length` apart within a session.

    No bar opens on days or hours that the data covers but has no bars in. Where the data is too short to cover a
    weekend, it counts as closed for daily bars, for markets that close at night, and after a last bar late on a Friday
    (UTC), unless one of `instants` lies on it.
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
    """The next opens of bars of whole months; equally spaced ones where the last two bars begin on different days."""
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
    opens = np.zeros(0, np.int64)
    tried, more = 0, 2 * count
    while len(opens) < count and tried < _MAX_CANDIDATES:
        candidates = last + length * np.arange(tried + 1, tried + more + 1, dtype=np.int64)
        opens = np.concatenate((opens, candidates[is_open[candidates // grid % len(is_open)]]))
        tried, more = tried + more, more * _GROWTH
    if len(opens) < count:
        # For bars of milliseconds, a closed weekend has more steps than _MAX_CANDIDATES.
        opens = np.concatenate((opens, _evenly(int(opens[-1]) if len(opens) else last, length, count - len(opens))))
    return opens[:count]


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
    """How often each step of the week occurs between two steps, both included."""
    weeks, rest = divmod(last - first + 1, size)
    covered = np.full(size, weeks, np.int64)
    covered[(first + np.arange(rest)) % size] += 1
    return covered


def _open_hours(by_day: Pixels, due: Pixels) -> Flags:
    """Steps of a day at which the market trades from Monday to Friday; steps without data count as open."""
    seen, covered = (counts.sum(axis=0) - counts[_WEEKEND].sum(axis=0) for counts in (by_day, due))
    return np.asarray((covered == 0) | (seen * _OPEN_SHARE >= np.maximum(covered, 1)) & (seen > 0))


def _close_weekend(is_open: Flags, unknown: Flags, hours: Flags, time: Pixels, grid: int) -> None:
    """Mark weekend steps that the data does not cover as closed, where a closed weekend is likely.

    Both arrays have the shape (7, steps of a day) and are changed in place; `unknown` are the steps that are guessed.
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
