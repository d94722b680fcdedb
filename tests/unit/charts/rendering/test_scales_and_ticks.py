from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.frame.time_ticks import calendar, date_range, time_ticks
from app.charts.rendering.frame.value_ticks import axis_ticks, nice_step, value_ticks
from app.charts.rendering.plotting.scales import (
    BarWidths,
    IndexScale,
    ValueScale,
    bar_widths,
    value_scale,
)

BOX = Box(0, 10, 100, 310)
DAY, HOUR, MINUTE = 86_400_000, 3_600_000, 60_000


def times(start, step, count):
    first = round(datetime.fromisoformat(start).replace(tzinfo=UTC).timestamp() * 1000)
    return np.arange(count, dtype=np.int64) * step + first


def labels(time, slot, zone="UTC"):
    return [(tick.text, tick.major) for tick in time_ticks(calendar(time, zone), slot, lambda text: 6 * len(text), 20)]


@given(st.floats(4, 500), st.integers(1, 4))
def test_bodies_and_wicks_share_their_parity_and_leave_a_gap(slot, hairline):
    widths = bar_widths(slot, hairline)
    assert (widths.body - widths.wick) % 2 == 0
    assert 1 <= widths.wick <= widths.body
    assert widths.body <= slot - 1


@given(st.floats(3, 3.99))
def test_a_body_is_seen_from_three_pixels_on(slot):
    assert bar_widths(slot, 1) == BarWidths(3, 1)


@given(st.floats(0.1, 2.99), st.integers(1, 4))
def test_bars_closer_than_three_pixels_are_wicks_alone(slot, hairline):
    widths = bar_widths(slot, hairline)
    assert widths.body == widths.wick >= 1


@pytest.mark.parametrize("slot", [10, 20, 33.3])
def test_a_body_takes_about_four_fifths_of_its_slot(slot):
    assert bar_widths(slot, 1).body == pytest.approx(0.8 * slot, abs=1.5)


@pytest.mark.parametrize("log", [False, True])
def test_a_scale_keeps_its_margins_free(log):
    scale = value_scale(10.0, 1000.0, BOX, above=20, below=30, log=log)
    assert scale.at(1000.0) == pytest.approx(30)
    assert scale.at(10.0) == pytest.approx(280)
    assert scale.at(scale.high) == pytest.approx(10)
    assert scale.at(scale.low) == pytest.approx(310)


def test_equal_ratios_are_equal_distances_on_a_logarithmic_scale():
    scale = value_scale(1.0, 1000.0, BOX, above=0, below=0, log=True)
    assert scale.at(1.0) - scale.at(10.0) == pytest.approx(scale.at(10.0) - scale.at(100.0))


def test_one_value_and_many_are_placed_alike():
    scale = value_scale(-5.0, 7.0, BOX, above=5, below=5)
    assert scale.y(np.array([1.5]))[0] == pytest.approx(scale.at(1.5))


def test_a_span_of_nothing_is_widened():
    scale = value_scale(100.0, 100.0, BOX, above=10, below=10)
    assert scale.low < 100.0 < scale.high
    assert scale.at(100.0) == pytest.approx(160)


def test_values_far_outside_are_limited_to_positions_near_the_image():
    scale = value_scale(1.0, 2.0, BOX, above=0, below=0)
    assert abs(scale.at(1e90)) <= 1e5
    assert np.abs(scale.y(np.array([-1e90]))).max() <= 1e5


def test_bars_share_the_width_evenly():
    scale = IndexScale(10, 110, 4)
    assert scale.centers().tolist() == [22.5, 47.5, 72.5, 97.5]
    assert scale.at(2) == 72.5


@given(st.floats(1e-90, 1e90))
def test_steps_are_one_two_or_five_and_never_below_the_minimum(least):
    step = nice_step(least)
    mantissa = step / 10.0 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(mantissa - nice) for nice in (1, 2, 5, 10)) < 1e-6
    assert least * (1 - 1e-6) <= step <= least * 2.6


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(15, 80))
def test_ticks_lie_on_the_scale_and_keep_their_distance(low, span, gap):
    scale = ValueScale(low, low + span, 10, 310)
    ticks = value_ticks(scale, gap)
    slack = 1e-9 * (abs(low) + span)
    assert all(scale.low - slack <= tick <= scale.high + slack for tick in ticks)
    assert all(scale.at(a) - scale.at(b) >= gap * 0.999 for a, b in pairwise(ticks))


@given(st.floats(1e-6, 1e6), st.floats(1.01, 1e6), st.floats(15, 80))
def test_logarithmic_ticks_keep_their_distance_too(low, ratio, gap):
    scale = ValueScale(low, low * ratio, 10, 310, log=True)
    ticks = value_ticks(scale, gap)
    assert all(scale.at(a) - scale.at(b) >= gap * 0.99 for a, b in pairwise(ticks))


@given(
    st.floats(1e-80, 1e80),
    st.floats(1e-6, 1e8),
    st.integers(300, 2900),
    st.booleans(),
    st.integers(0, 10),
)
def test_a_price_axis_has_five_to_twelve_labels(low, span, height, log, decimals):
    scale = ValueScale(low, low * (1 + span), 10, 10 + height, log)
    ticks = axis_ticks(scale, 38, 10.0**-decimals)
    assert 5 <= len(ticks) <= 12
    assert all(scale.at(a) - scale.at(b) >= 20 for a, b in pairwise(ticks))
    assert all(scale.top + 6 <= scale.at(tick) <= scale.bottom - 6 for tick in ticks)


@given(st.floats(-1e6, 1e6), st.integers(300, 1000))
def test_equal_prices_have_five_labels_around_them(price, height):
    scale = value_scale(price, price, BOX._replace(bottom=BOX.top + height), above=10, below=10)
    ticks = axis_ticks(scale, 38, 1.0)
    assert len(ticks) >= 5
    assert ticks[0] < price < ticks[-1] or price == 0


def test_a_given_precision_is_never_exceeded():
    assert axis_ticks(ValueScale(99.9, 102.1, 0, 300), 38, 1.0, exact=True) == [100, 101, 102]
    assert axis_ticks(ValueScale(99.9, 102.1, 0, 300), 38, 1.0) == [100, 100.5, 101, 101.5, 102]


def test_a_logarithmic_axis_has_labels_between_its_decades():
    assert axis_ticks(ValueScale(0.9, 110.0, 0, 400, log=True), 38) == [1, 2, 5, 10, 20, 50, 100]
    assert axis_ticks(ValueScale(90.0, 150.0, 0, 400, log=True), 38) == [90, 100, 110, 120, 130, 140, 150][1:-1]


def test_ticks_are_round():
    assert value_ticks(ValueScale(1.0655, 1.0755, 0, 300), 50) == [1.066, 1.068, 1.07, 1.072, 1.074]
    assert value_ticks(ValueScale(0.9, 1100.0, 0, 300, log=True), 60) == [1, 10, 100, 1000]


def test_ticks_are_never_finer_than_the_instrument():
    assert axis_ticks(ValueScale(99.9, 102.1, 0, 300), 20, min_step=1.0, exact=True) == [100, 101, 102]


def test_months_are_named_and_the_year_where_it_changes():
    ticks = labels(times("2023-10-02", DAY, 150), 2.0)
    assert ticks == [("Nov", False), ("Dec", False), ("2024", True), ("Feb", False)]


def test_days_are_numbered_and_the_month_named_where_it_changes():
    ticks = labels(times("2024-01-20", DAY, 30), 20.0)
    assert ("Feb", True) in ticks
    assert ("26", False) in ticks


def test_hours_are_labelled_and_the_day_where_it_changes():
    ticks = labels(times("2024-03-01T09:00", HOUR, 40), 25.0)
    assert ("12:00", False) in ticks
    assert ("2 Mar", True) in ticks


def test_years_are_named_alone_over_decades():
    ticks = labels(times("1990-01-01", 7 * DAY, 1500), 0.5)
    assert all(text.isdigit() and len(text) == 4 for text, _ in ticks)
    assert len(ticks) > 5


def test_labels_follow_the_clock_of_the_zone():
    time = times("2024-03-01T22:00", HOUR, 12)
    assert ("2 Mar", True) in labels(time, 60.0)
    assert ("2 Mar", True) in labels(time, 60.0, "America/New_York")
    midnight = [tick.index for tick in time_ticks(calendar(time, "America/New_York"), 60.0, len, 20) if tick.major]
    assert midnight == [0, 7]


def test_days_are_dates_whatever_the_zone():
    time = times("2024-01-01", DAY, 3)
    assert date_range(calendar(time, "America/New_York"), "America/New_York") == "1 Jan 2024 \N{EN DASH} 3 Jan 2024"


def test_a_single_bar_is_named_in_full():
    assert labels(times("2024-03-01T09:30", MINUTE, 1), 500.0) == [("1 Mar 2024 09:30", False)]


def test_without_a_larger_unit_the_first_label_names_it():
    assert labels(times("2024-03-05", DAY, 4), 100.0)[0] == ("5 Mar", False)


@given(
    st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)),  # noqa: DTZ001 - a wall clock
    st.sampled_from([MINUTE, 5 * MINUTE, HOUR, 4 * HOUR, DAY, 7 * DAY]),
    st.integers(1, 800),
    st.floats(3, 60),
)
def test_time_labels_never_touch(start, step, count, slot):
    first = (start - datetime(1970, 1, 1)) // timedelta(milliseconds=1)  # noqa: DTZ001 - a wall clock
    time = np.arange(count, dtype=np.int64) * step + first
    ticks = time_ticks(calendar(time, "UTC"), slot, lambda text: 6 * len(text), 20)
    assert ticks
    for left, right in pairwise(ticks):
        assert (right.index - left.index) * slot >= 3 * (len(left.text) + len(right.text))
