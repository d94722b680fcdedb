"""Local times of arrays of instants, also across clock changes, for sessions and the time axis."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

DAY_MS: Final = 86_400_000
_PROBE_MS: Final = 7 * DAY_MS  # no zone changes its clocks and changes them back within a week


def local_offsets(time_ms: IntArray, zone: str) -> IntArray:
    """Milliseconds to add to each instant (epoch milliseconds, ascending) to get the local time of `zone`."""
    if zone == "UTC" or not len(time_ms):
        return np.zeros(len(time_ms), dtype=np.int64)
    changes, offsets = _changes(int(time_ms[0]), int(time_ms[-1]), zone)
    return offsets[np.searchsorted(changes, time_ms, side="right") - 1]


def local_days(time_ms: IntArray, zone: str) -> IntArray:
    """Day of each instant in `zone`, counted from 1 January 1970."""
    return (time_ms + local_offsets(time_ms, zone)) // DAY_MS


@lru_cache(maxsize=64)
def _changes(first: int, last: int, zone: str) -> tuple[IntArray, IntArray]:
    """Instants from which an offset holds, up to `last`, and those offsets; the first instant is `first`.

    Cached: one chart needs them several times, and bars of many years take thousands of probes.
    """
    info = ZoneInfo(zone)
    changes, offsets = [first], [_offset(first, info)]
    for probe in range(first + _PROBE_MS, last + _PROBE_MS, _PROBE_MS):
        offset = _offset(probe, info)
        if offset != offsets[-1]:
            changes.append(_change_between(probe - _PROBE_MS, probe, info))
            offsets.append(offset)
    return np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64)


def _change_between(before: int, after: int, info: ZoneInfo) -> int:
    old = _offset(before, info)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(middle, info) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(instant_ms: int, info: ZoneInfo) -> int:
    offset = datetime.fromtimestamp(instant_ms / 1000, tz=UTC).astimezone(info).utcoffset()
    return round(offset.total_seconds() * 1000) if offset else 0
