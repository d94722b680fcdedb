from __future__ import annotations

import numpy as np
import pytest

from app.charts.rendering import numbers


@pytest.mark.parametrize(
    ("prices", "decimals"),
    [
        ([1.0712, 1.07, 1.0698], 4),
        ([1.07123, 1.07001], 5),
        ([187.25, 188.0, 190.5], 2),
        ([100.0, 101.0], 0),
        ([0.00001234, 0.00001301], 8),
        ([64_250.5, 64_251.0], 1),
        ([0.0], 0),
        ([1e9, 1.1e9], 0),
        ([1e20], 0),
        ([1 / 3, 2 / 3], 4),
    ],
)
def test_the_decimals_are_those_of_the_instrument(prices, decimals):
    assert numbers.decimals_of(np.array(prices)) == decimals


def test_one_odd_price_does_not_widen_all_labels():
    assert numbers.decimals_of(np.array([*[100.25] * 20, 100.251234])) == 2


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1.0712, 4, "1.0712"),
        (1234567.5, 2, "1,234,567.50"),
        (-3.5, 1, "\N{MINUS SIGN}3.5"),
        (-0.001, 2, "0.00"),
        (1.5e20, 0, "1.50e20"),
        (2.5e-30, 20, "2.50e-30"),
        (-2.5e-30, 20, "\N{MINUS SIGN}2.50e-30"),
        (0.0, 2, "0.00"),
    ],
)
def test_a_price_is_written_as_traders_do(value, decimals, text):
    assert numbers.price(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (950, "950"),
        (999.99, "1k"),
        (12_400, "12.4k"),
        (12_400_000, "12.4M"),
        (3_180_000_000, "3.18B"),
        (2e12, "2T"),
        (0.5, "0.5"),
        (123.45, "123.5"),
        (0.00001, "1.0e-5"),
        (1e60, "1.00e60"),
        (-2500, "\N{MINUS SIGN}2.5k"),
    ],
)
def test_large_quantities_are_short(value, text):
    assert numbers.compact(value) == text


@pytest.mark.parametrize(
    ("fraction", "sign", "text"),
    [
        (0.0131, False, "1.31%"),
        (0.0131, True, "+1.31%"),
        (-0.5, True, "\N{MINUS SIGN}50.00%"),
        (-0.00001, True, "0.00%"),
        (float("nan"), False, "n/a"),
        (1e9, False, "n/a"),
    ],
)
def test_a_share_is_a_percentage(fraction, sign, text):
    assert numbers.percent(fraction, sign=sign) == text


def test_axis_percentages_drop_their_zeros():
    assert [numbers.rough_percent(share) for share in (-0.1, -0.125, 0.0)] == [
        "\N{MINUS SIGN}10%",
        "\N{MINUS SIGN}12.5%",
        "0%",
    ]
