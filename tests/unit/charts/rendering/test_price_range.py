"""The price scale includes near prices, and the bars keep most of its height."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from app.charts.rendering.charts.price_range import price_range
from app.charts.rendering.plotting.price_data import price_data
from tests.unit.charts.rendering.chart_builders import a_spec, one_bar, some_bars

DATA = price_data(a_spec(data=replace(some_bars(2), low=(90.0, 90.0), high=(110.0, 125.0), close=(100.0, 100.0))))
NOTHING: tuple[tuple[float, float], ...] = ()


def test_the_scale_includes_near_prices_and_excludes_far_ones():
    assert price_range(DATA, NOTHING, [80.0, 135.0, 60.0, 1e9], 1.0, log=False) == (80.0, 135.0)


def test_the_nearest_come_first_whatever_their_order():
    assert price_range(DATA, NOTHING, [70.0, 128.0], 1.0, log=False) == (70.0, 128.0)
    assert price_range(DATA, NOTHING, [64.0, 128.0], 1.0, log=False) == (90.0, 128.0)


def test_less_inner_height_takes_in_less():
    assert price_range(DATA, NOTHING, [70.0], 1.0, log=False) == (70.0, 125.0)
    assert price_range(DATA, NOTHING, [70.0], 0.7, log=False) == (90.0, 125.0)


def test_bars_of_one_price_leave_the_scale_to_the_order():
    flat = price_data(a_spec(data=one_bar(100.0, 100.0, 100.0, 100.0)))
    assert price_range(flat, NOTHING, [90.0, 110.0, 1000.0], 0.8, log=False) == (90.0, 110.0)


def test_overlays_widen_the_scale_by_at_most_the_bars_own_height():
    assert price_range(DATA, [(10.0, 130.0), (math.nan, math.nan)], [], 1.0, log=False) == (55.0, 130.0)


@pytest.mark.parametrize("price", [0.0, -5.0])
def test_a_log_scale_has_no_place_for_prices_that_are_not_positive(price):
    assert price_range(DATA, NOTHING, [price, 100.0], 1.0, log=True) == (90.0, 125.0)


def test_a_log_scale_measures_in_logarithms():
    low, _ = price_range(DATA, NOTHING, [70.0], 1.0, log=True)
    assert low == 70.0
    assert math.log(125 / 90) / math.log(125 / 70) >= 0.55
