"""Local time offsets of arrays of instants equal those that zoneinfo gives for each instant."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.charts.rendering.analysis.local_time import local_days, local_offsets

HOUR_MS = 3_600_000
ZONES = ("America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "UTC")


def by_the_clock(instant_ms: int, zone: str) -> int:
    offset = datetime.fromtimestamp(instant_ms / 1000, UTC).astimezone(ZoneInfo(zone)).utcoffset()
    assert offset is not None
    return round(offset.total_seconds() * 1000)


def test_the_offset_changes_in_the_very_millisecond_the_clocks_do():
    change = round(datetime(2024, 3, 31, 1, tzinfo=UTC).timestamp() * 1000)
    time = np.array([change - 1, change, change + 1], dtype=np.int64)
    assert local_offsets(time, "Europe/Berlin").tolist() == [HOUR_MS, 2 * HOUR_MS, 2 * HOUR_MS]


def test_days_are_counted_in_the_zone():
    late = round(datetime(1970, 1, 2, 23, tzinfo=UTC).timestamp() * 1000)
    time = np.array([0, late], dtype=np.int64)
    assert local_days(time, "UTC").tolist() == [0, 1]
    assert local_days(time, "Asia/Tokyo").tolist() == [0, 2]
    assert local_days(time, "America/New_York").tolist() == [-1, 1]


def test_no_instants_have_no_offsets():
    assert len(local_offsets(np.zeros(0, dtype=np.int64), "Europe/Berlin")) == 0


@given(
    st.lists(st.integers(-1_500_000_000_000, 4_000_000_000_000), min_size=1, max_size=20, unique=True),
    st.sampled_from(ZONES),
)
@settings(deadline=None)
def test_every_offset_is_the_one_of_zoneinfo(instants, zone):
    instants.sort()
    offsets = local_offsets(np.array(instants, dtype=np.int64), zone)
    assert offsets.tolist() == [by_the_clock(instant, zone) for instant in instants]


@given(st.integers(-1_000_000_000_000, 3_000_000_000_000), st.sampled_from(ZONES))
@settings(deadline=None)
def test_a_year_of_hours_has_the_offsets_of_zoneinfo(start, zone):
    time = start + np.arange(0, 366 * 24, 7, dtype=np.int64) * HOUR_MS
    assert local_offsets(time, zone).tolist() == [by_the_clock(instant, zone) for instant in time.tolist()]
