"""The slot that contains an instant, and the slots kept free after the last bar."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from app.charts.domain import OrderMark, SignalMark
from app.charts.rendering.layers.free_slots import timeline_for
from app.charts.rendering.plotting.price_data import price_data
from app.charts.rendering.plotting.timeline import Slot, bar_length
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, some_bars
from tools.live_samples import FRIDAY, bar_times

HOUR_MS = 3_600_000


def timeline(spec, max_slots=10_000):
    return timeline_for(price_data(spec), spec.annotations, spec.right_offset, max_slots)[1]


def hourly(count=60, **changes):
    return a_spec(data=some_bars(count, step=HOUR_MS), timeframe="1h", **changes)


END = START_MS + 60 * HOUR_MS
"""The end of the last of 60 hourly bars."""


@pytest.mark.parametrize(
    ("instant", "slot"),
    [
        (START_MS - 1, None),
        (START_MS, Slot(0)),
        (START_MS + HOUR_MS - 1, Slot(0)),
        (START_MS + HOUR_MS, Slot(1)),
        (END - HOUR_MS, Slot(59)),
        (END - 1, Slot(59)),
        (END, Slot(60)),
        (END + 3 * HOUR_MS, Slot(63)),
    ],
)
def test_an_instant_belongs_to_the_bar_that_contains_it(instant, slot):
    assert timeline(hourly()).find(instant) == slot


def test_an_instant_in_a_gap_belongs_to_the_bar_before_it():
    bars = some_bars(10)
    gap = replace(bars, time=(*bars.time[:5], *(time + 3 * DAY_MS for time in bars.time[5:])))
    assert timeline(a_spec(data=gap)).find(bars.time[5] + DAY_MS) == Slot(4)


def test_joined_bars_share_their_slot_and_so_do_the_slots_after_them():
    line = timeline(hourly(1000, right_offset=40), max_slots=110)
    assert (line.factor, line.bars, line.free_slots) == (10, 100, 4)
    assert line.find(START_MS + 57 * HOUR_MS) == Slot(5)
    assert line.find(START_MS + 1013 * HOUR_MS) == Slot(101)
    assert len(line.opens()) == 104


@pytest.mark.parametrize(
    ("gaps", "timeframe", "length"),
    [
        ([1] * 20, "", 1),
        ([1, 1, 1, 1, 3] * 4, "", 1),
        ([1, 1, 3, 1, 1], "1d", 1),
        ([1] * 5, "1w", 1),
        ([7, 7, 7], "1h", 1 / 24),
        ([7, 7, 7, 7], "1h", 7),
        ([2, 3, 2, 5, 4, 2], "1d", 1),
        ([1, 2, 4, 8, 16, 32, 64], "", 8),
        ([], "1w", 7),
        ([], "", 1),
    ],
)
def test_the_length_of_a_bar_is_its_timeframe_or_the_usual_distance(gaps, timeframe, length):
    time = START_MS + DAY_MS * np.cumsum([0, *gaps])
    assert bar_length(time, timeframe) == length * DAY_MS


def test_a_friday_and_a_monday_are_bars_of_days():
    assert bar_length(np.array(bar_times("stocks", "1d", FRIDAY, 6))[[0, 1]], "") == DAY_MS


@pytest.mark.parametrize(("count", "room"), [(10, 4), (60, 4), (96, 4), (240, 10), (480, 20)])
def test_four_bars_or_four_hundredths_of_the_width_stay_free(count, room):
    assert timeline(hourly(count)).free_slots == room


@pytest.mark.parametrize("offset", [0, 1, 30])
def test_the_right_offset_says_how_many(offset):
    assert timeline(hourly(right_offset=offset)).free_slots == offset


def test_an_open_order_has_ten_slots_from_its_bar_on_whatever_the_offset():
    order = OrderMark("buy", 100.0, END - 1)
    assert timeline(hourly(annotations=(order,), right_offset=0)).free_slots == 9


def test_a_later_signal_has_the_slot_of_its_time():
    line = timeline(hourly(annotations=(SignalMark("buy", END + 10 * HOUR_MS + 1),)))
    assert line.free_slots == 11
    assert line.find(END + 10 * HOUR_MS + 1) == Slot(70)
    assert line.opens()[70] == END + 10 * HOUR_MS


@pytest.mark.parametrize("kind", [lambda time: SignalMark("buy", time), lambda time: OrderMark("sell", 100.0, time)])
@pytest.mark.parametrize("days", [2, 30, 4000])
def test_what_comes_long_after_the_last_bar_is_pinned_within_a_third_of_the_plot(kind, days):
    mark = kind(END + days * DAY_MS)
    line = timeline(hourly(annotations=(mark,)))
    slot = line.find(END + days * DAY_MS)
    assert slot is not None
    assert slot.pinned
    assert slot.index == line.pin
    assert line.free_slots <= line.slots / 3
    assert len(line.opens()) == line.pin


def test_a_near_signal_keeps_its_slot_beside_one_that_is_pinned():
    near, far = END + 3 * HOUR_MS, END + 40 * DAY_MS
    line = timeline(hourly(annotations=(SignalMark("buy", far), SignalMark("sell", near))))
    assert line.find(near) == Slot(63)
    assert line.find(far) == Slot(line.pin, pinned=True)
    assert line.pin > 63


def test_bars_and_slots_together_never_exceed_the_pixels():
    for count in (1, 5, 60, 999, 20_000):
        for max_slots in (10, 57, 400):
            order = OrderMark("buy", 100.0, START_MS + count * HOUR_MS)
            line = timeline(hourly(count, annotations=(order,)), max_slots)
            assert line.slots <= max(max_slots, 12)


def test_renko_bricks_have_no_times_after_the_last():
    line = timeline(a_spec(type="renko", annotations=(SignalMark("buy", START_MS + 61 * DAY_MS),)))
    assert line.find(START_MS + 61 * DAY_MS) == Slot(line.pin, pinned=True)
    assert len(line.opens()) == line.bars
