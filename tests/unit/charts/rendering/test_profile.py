"""The volume profile: cases worked out by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.charts.rendering.analysis.volume_profile import Profile, volume_profile

bars = st.lists(st.tuples(st.floats(1, 1000), st.floats(0, 50), st.floats(0, 1e6)), min_size=1, max_size=60)


def profile_of(*rows: tuple[float, float, float], count: int) -> Profile:
    low, high, volume = (np.array(column) for column in zip(*rows, strict=True))
    return volume_profile(high, low, volume, count)


def by_definition(low: np.ndarray, high: np.ndarray, volume: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Volume of each bar below every edge computed bar by bar."""
    total = np.zeros(len(edges) - 1)
    for bottom, top, traded in zip(low, high, volume, strict=True):
        if top > bottom:
            below = np.clip((edges - bottom) / (top - bottom), 0, 1)
            total += traded * np.diff(below)
        else:
            row = min(int(np.searchsorted(edges, bottom, side="right")) - 1, len(total) - 1)
            total[row] += traded
    return total


def test_each_volume_is_spread_evenly_over_its_bar():
    profile = profile_of((0.0, 4.0, 8.0), (1.0, 2.0, 5.0), (2.5, 3.5, 2.0), count=4)
    assert profile.edges.tolist() == [0, 1, 2, 3, 4]
    assert profile.volumes.tolist() == [2.0, 7.0, 3.0, 3.0]
    assert profile.poc_index == 1


def test_the_value_area_grows_by_the_larger_neighbour_until_70_percent():
    rows = [(0.0, 1.0, 10.0), (1.0, 2.0, 25.0), (2.0, 3.0, 40.0), (3.0, 4.0, 15.0), (4.0, 5.0, 10.0)]
    profile = profile_of(*rows, count=5)
    assert profile.volumes.tolist() == [10, 25, 40, 15, 10]
    # 40, then 25 below makes 65, then 15 above (more than 10 below) makes 80 of 100.
    assert (profile.value_area_low_index, profile.poc_index, profile.value_area_high_index) == (1, 2, 3)


def test_a_value_area_of_exactly_70_percent_grows_no_further():
    rows = [(0.0, 1.0, 20.0), (1.0, 2.0, 70.0), (2.0, 3.0, 10.0)]
    profile = profile_of(*rows, count=3)
    assert (profile.value_area_low_index, profile.value_area_high_index) == (1, 1)


def test_of_equal_rows_the_one_nearest_the_middle_is_the_point_of_control():
    rows = [(0.0, 1.0, 5.0), (1.0, 2.0, 1.0), (2.0, 3.0, 1.0), (3.0, 4.0, 5.0), (4.0, 5.0, 1.0)]
    assert profile_of(*rows, count=5).poc_index == 3


def test_shares_that_differ_by_rounding_alone_are_equal():
    assert profile_of((0.0, 0.7, 0.1), count=7).poc_index == 3


def test_bars_at_one_single_price_fall_into_one_row():
    profile = profile_of((5.0, 5.0, 3.0), (5.0, 5.0, 4.0), count=5)
    assert profile.volumes.tolist() == [0, 0, 7, 0, 0]
    assert profile.edges[0] < 5.0 < profile.edges[-1]
    assert profile_of((0.0, 0.0, 1.0), count=1).volumes.tolist() == [1.0]


def test_a_market_without_volume_has_an_empty_profile():
    profile = profile_of((1.0, 2.0, 0.0), count=6)
    assert not profile.volumes.any()
    assert profile.value_area_low_index == profile.poc_index == profile.value_area_high_index


@given(bars, st.integers(1, 60))
@example([(4.0, 1e-10, 1.0)], 4)
@settings(deadline=None)
def test_the_rows_are_those_of_the_definition_and_lose_no_volume(raw, count):
    low = np.array([bottom for bottom, _, _ in raw])
    high = low + np.array([reach for _, reach, _ in raw])
    volume = np.array([traded for _, _, traded in raw])
    profile = volume_profile(high, low, volume, count)
    allowed = volume.sum() * 1e-9 + 1e-9
    assert profile.volumes.sum() == pytest.approx(volume.sum(), abs=allowed)
    expected = by_definition(low, high, volume, profile.edges)
    np.testing.assert_allclose(profile.volumes, expected, atol=max(allowed, volume.max() * 1e-6))
    inside = profile.volumes[profile.value_area_low_index : profile.value_area_high_index + 1]
    assert profile.value_area_low_index <= profile.poc_index <= profile.value_area_high_index
    assert inside.sum() >= 0.7 * volume.sum() - allowed


@given(bars, st.integers(2, 60))
def test_logarithmic_rows_are_equal_ratios_and_hold_all_the_volume(rows, count):
    low, height, volume = (np.array(column) for column in zip(*rows, strict=True))
    high = low + height
    profile = volume_profile(high, low, volume, count, log=True)
    ratios = profile.edges[1:] / profile.edges[:-1]
    assert ratios == pytest.approx(ratios[0])
    assert profile.volumes.sum() == pytest.approx(volume.sum(), rel=1e-6, abs=1e-6)
    expected = by_definition(low, high, volume, profile.edges)
    assert profile.volumes == pytest.approx(expected, rel=1e-6, abs=1e-6 * max(volume.sum(), 1))


def test_rows_of_a_logarithmic_axis_grow_with_the_price():
    high, low, volume = np.array([100.0]), np.array([1.0]), np.array([99.0])
    profile = volume_profile(high, low, volume, 2, log=True)
    assert profile.edges == pytest.approx([1, 10, 100])
    assert profile.volumes == pytest.approx([9, 90])
    assert profile.poc == pytest.approx(np.sqrt(1000))


def test_the_point_of_control_of_a_linear_axis_is_the_middle_of_its_row():
    assert profile_of((0.0, 4.0, 8.0), (1.0, 2.0, 5.0), count=4).poc == 1.5
