"""The choice of bars with a time label, for many calendars, time zones, clock changes and widths."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.text import width
from app.charts.rendering.frame.time_ticks import calendar, time_ticks

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
GAP = 22
FONT = Font(11, bold=True)
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo")


def epoch(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def steady(start, step, count):
    """Bars at equal distances, as in markets that never close."""
    return np.arange(count, dtype=np.int64) * step + epoch(start)


def forex(start, step, count):
    """Bars from Sunday 22:00 to Friday 22:00 UTC."""
    time = steady(start, step, 3 * count + 7 * DAY // step)
    week = (time - epoch("2024-01-07T22:00")) % (7 * DAY)
    return time[week < 5 * DAY][:count]


def stock(start, step, count):
    """Bars from 9:30 to 16:00 in New York, in its local time, without weekends."""
    time = steady(start, step, 12 * count + 7 * DAY // step)
    open_now = (time % DAY >= 9.5 * HOUR) & (time % DAY < 16 * HOUR)
    weekday = (time // DAY + 3) % 7 < 5
    return time[open_now & weekday][:count]


def monthly(year, count):
    first = np.datetime64(f"{year}-01", "M") + np.arange(count)
    return first.astype("datetime64[ms]").astype(np.int64)


def measure(text):
    return width(text, FONT)


def placed(time, pixels, zone="UTC"):
    return time_ticks(calendar(time, zone), pixels / len(time), measure, GAP)


def is_clock(text):
    return ":" in text


def assert_sound(time, pixels, zone="UTC"):
    """Ascending, apart, each with its own text, and every hour under its own day."""
    bars, ticks = calendar(time, zone), placed(time, pixels, zone)
    assert ticks
    slot = pixels / len(time)
    day = None
    for left, right in pairwise(ticks):
        assert left.index < right.index
        assert (right.index - left.index) * slot >= (measure(left.text) + measure(right.text)) / 2 + 3
        assert left.text != right.text or right.index - left.index > 1
    for tick in ticks if len(time) > 1 else ():
        if is_clock(tick.text):
            assert day == bars.local[tick.index] // DAY, f"{tick.text} stands under another day"
        else:
            day = bars.local[tick.index] // DAY
    return ticks


def gaps(ticks):
    return [right.index - left.index for left, right in pairwise(ticks)]


CALENDARS = {
    "1m": lambda count: steady("2024-03-08T17:43", MINUTE, count),
    "5m": lambda count: steady("2024-03-08T17:45", 5 * MINUTE, count),
    "15m": lambda count: steady("2024-03-29T17:45", 15 * MINUTE, count),
    "1h": lambda count: steady("2024-10-25T13:00", HOUR, count),
    "4h": lambda count: steady("2024-10-25T12:00", 4 * HOUR, count),
    "1d": lambda count: steady("2024-01-20", DAY, count),
    "1w": lambda count: steady("2020-01-06", 7 * DAY, count),
    "1M": lambda count: monthly(1960, count),
    "forex 15m": lambda count: forex("2024-08-29T07:15", 15 * MINUTE, count),
    "forex 1h": lambda count: forex("2024-08-29T07:00", HOUR, count),
    "forex 4h": lambda count: forex("2024-08-29T08:00", 4 * HOUR, count),
    "stock 1m": lambda count: stock("2024-08-29T11:07", MINUTE, count),
    "stock 5m": lambda count: stock("2024-08-29T11:05", 5 * MINUTE, count),
    "stock 30m": lambda count: stock("2024-08-29T11:00", 30 * MINUTE, count),
}


@pytest.mark.parametrize("name", CALENDARS)
@pytest.mark.parametrize("pixels", [320, 575, 1128, 1500, 2900])
@pytest.mark.parametrize("count", [40, 120, 300, 750])
def test_labels_are_even_on_every_calendar(name, pixels, count):
    ticks = assert_sound(CALENDARS[name](count), pixels)
    if len(ticks) > 3:
        assert max(gaps(ticks)) <= 3 * median(gaps(ticks))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("name", ["5m", "1h", "4h", "forex 1h", "forex 15m"])
@pytest.mark.parametrize("count", [60, 300])
def test_labels_are_even_in_every_zone(name, zone, count):
    ticks = assert_sound(CALENDARS[name](count), 1128, zone)
    assert max(gaps(ticks)) <= 3 * median(gaps(ticks))


@pytest.mark.parametrize("name", CALENDARS)
def test_a_wide_chart_has_at_least_eight_labels(name):
    assert len(placed(CALENDARS[name](300), 1128)) >= 8


def test_hourly_forex_names_every_day_but_the_short_sundays():
    ticks = placed(forex("2024-09-02T00:00", HOUR, 300), 1128)
    texts = [tick.text for tick in ticks]
    assert len(texts) >= 8
    assert "9" in texts
    assert "8" not in texts


def test_hours_stand_under_monday_and_never_under_a_short_sunday():
    texts = [tick.text for tick in assert_sound(forex("2024-09-06T00:00", HOUR, 100), 1128)]
    assert "9 Sep" in texts
    assert "8 Sep" not in texts
    assert "12:00" in texts[texts.index("9 Sep") :]


def test_a_month_that_begins_with_a_short_sunday_is_named_at_its_monday():
    time = forex("2024-08-15T00:00", HOUR, 500)
    tick = next(tick for tick in placed(time, 1128) if tick.text == "Sep")
    assert datetime.fromtimestamp(time[tick.index] / 1000, UTC).date().isoformat() == "2024-09-02"


def test_a_monday_is_named_after_the_last_hours_of_friday_and_a_short_sunday():
    texts = [tick.text for tick in assert_sound(CALENDARS["forex 15m"](627 + 496)[627:], 1552)]
    assert "9 Sep" in texts
    assert "6 Sep" not in texts


def test_the_hours_before_the_first_midnight_stand_under_a_day_too():
    ticks = placed(steady("2024-03-01T07:00", HOUR, 48), 1128)
    assert ticks[0].text == "1 Mar"
    assert is_clock(ticks[1].text)


def test_months_that_are_stamped_with_their_last_day_are_months():
    time = monthly(2020, 30) - DAY
    texts = {tick.text for tick in placed(time, 1128)}
    assert not any(text.isdigit() and len(text) < 4 for text in texts)


def test_slots_after_the_last_bar_are_labelled_like_bars():
    time = forex("2024-09-02T00:00", HOUR, 300)
    future = time[-1] + HOUR * np.arange(1, 40)
    ticks = assert_sound(np.concatenate((time, future)), 1128)
    assert ticks[-1].index > 300


def test_bricks_of_one_bar_share_one_label():
    time = np.repeat(steady("2024-01-01", DAY, 40), np.arange(40) % 7 + 1)
    ticks = assert_sound(time, 1128)
    days = [time[tick.index] for tick in ticks]
    assert len(set(days)) == len(days)


def test_a_day_that_fills_the_chart_has_hours_beside_crowded_days():
    quiet = steady("2024-01-01", DAY, 60)
    busy = np.sort(np.concatenate((quiet[:30], quiet[30] + MINUTE * np.arange(600), quiet[31:] + 7)))
    ticks = assert_sound(busy, 1128)
    assert max(gaps(ticks)) <= 3 * median(gaps(ticks))


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)),  # noqa: DTZ001 - a wall clock
    st.lists(st.sampled_from([0, 1000, MINUTE, 5 * MINUTE, HOUR, 4 * HOUR, DAY, 3 * DAY, 31 * DAY]), max_size=400),
    st.sampled_from([MINUTE, HOUR, DAY]),
    st.sampled_from(ZONES),
    st.integers(100, 3000),
)
def test_any_times_have_sound_labels(start, steps, common, zone, pixels):
    first = (start - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001 - a wall clock
    regular = [common] * (len(steps) // 2)
    assert_sound(np.cumsum(np.array([first, *steps, *regular], dtype=np.int64)), pixels, zone)


@given(
    st.sampled_from([*CALENDARS]),
    st.integers(0, 700),
    st.integers(2, 700),
    st.integers(200, 3000),
    st.sampled_from(ZONES),
)
def test_charts_that_start_anywhere_are_even(name, start, count, pixels, zone):
    time = CALENDARS[name](start + count)[start:]
    ticks = assert_sound(time, pixels, zone)
    if len(ticks) > 3:
        assert max(gaps(ticks)) <= 3 * median(gaps(ticks))


@given(st.sampled_from(["forex 1h", "stock 5m", "5m"]), st.integers(0, 2**32 - 1), st.floats(0.05, 0.6))
def test_gaps_in_the_data_leave_sound_labels(name, seed, share):
    time = CALENDARS[name](500)
    kept = time[np.random.default_rng(seed).random(500) > share]
    ticks = assert_sound(kept, 1128)
    assert max(gaps(ticks)) <= 3.5 * median(gaps(ticks))
