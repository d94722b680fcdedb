"""The opening times after the last bar follow the hours and days on which the market trades."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from app.charts.rendering.plotting.sessions import next_opens
from app.shared.instruments import TIMEFRAME_SECONDS
from tools.live_samples import FRIDAY, TUESDAY, bar_times

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def ms(text):
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def following(market, timeframe, until, count, bars=120, instants=()):
    times = np.array(bar_times(market, timeframe, until, bars))
    opens = next_opens(times, TIMEFRAME_SECONDS[timeframe] * 1000, count, instants)
    return [datetime.fromtimestamp(open_ / 1000, tz=UTC).strftime("%a %d %H:%M") for open_ in opens.tolist()]


@pytest.mark.parametrize(
    ("market", "timeframe", "expected"),
    [
        ("stocks", "5m", ["Mon 23 14:30", "Mon 23 14:35"]),
        ("stocks", "1h", ["Mon 23 14:30", "Mon 23 15:30"]),
        ("stocks", "1d", ["Mon 23 00:00", "Tue 24 00:00"]),
        ("stocks", "1w", ["Mon 23 00:00", "Mon 30 00:00"]),
        ("fx", "1h", ["Sun 22 22:00", "Sun 22 23:00"]),
        ("fx", "1d", ["Sun 22 00:00", "Mon 23 00:00"]),
        ("crypto", "5m", ["Sat 21 00:00", "Sat 21 00:05"]),
        ("crypto", "1h", ["Sat 21 00:00", "Sat 21 01:00"]),
        ("crypto", "1d", ["Sat 21 00:00", "Sun 22 00:00"]),
    ],
)
def test_after_a_friday_the_next_bars_open_when_the_market_does(market, timeframe, expected):
    assert following(market, timeframe, FRIDAY, 2) == expected


def test_stocks_open_again_the_next_day_after_their_last_hour():
    assert following("stocks", "1h", TUESDAY.replace(hour=21), 2) == ["Wed 25 14:30", "Wed 25 15:30"]


def test_a_holiday_among_few_bars_does_not_close_its_weekday():
    mondays_off = [time for time in bar_times("stocks", "1d", FRIDAY, 8) if time != ms("2026-11-16")]
    opens = next_opens(np.array(mondays_off), DAY, 2)
    assert opens.tolist() == [ms("2026-11-23"), ms("2026-11-24")]


def test_five_minutes_of_fx_that_end_on_friday_evening_go_on_on_sunday_evening():
    assert following("fx", "5m", FRIDAY, 1) == ["Sun 22 22:00"]


def test_a_signal_on_an_unknown_weekend_says_that_the_market_is_open():
    saturday = ms("2026-11-21T10:00:00")
    assert following("fx", "5m", FRIDAY, 1, instants=[saturday]) == ["Fri 20 22:00"]


def test_bars_of_months_open_on_the_first():
    firsts = np.arange("2025-01", "2026-02", dtype="datetime64[M]").astype("datetime64[ms]").astype(np.int64)
    assert next_opens(firsts, 31 * DAY, 3).tolist() == [ms("2026-02-01"), ms("2026-03-01"), ms("2026-04-01")]


@pytest.mark.parametrize("length", [1, 7, 1_000, 7 * MINUTE, MINUTE, 5 * HOUR, DAY, 3 * DAY, 29 * DAY, 400 * DAY])
@pytest.mark.parametrize("bars", [1, 2, 50])
def test_any_length_gives_the_requested_number_of_rising_times(length, bars):
    times = ms("2026-11-20T21:00:00") + length * np.arange(bars)
    opens = next_opens(times, length, 40)
    assert len(opens) == 40
    assert times[-1] < opens[0]
    assert (np.diff(opens) > 0).all()
