from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.rendering.frame.value_ticks import axis_ticks
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.scales import ValueScale


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
    assert number_format.decimals_of(np.array(prices)) == decimals


def test_one_odd_price_does_not_widen_all_labels():
    assert number_format.decimals_of(np.array([*[100.25] * 20, 100.251234])) == 2


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (1.0712, 4, "1.0712"),
        (1234567.5, 2, "1,234,567.50"),
        (-3.5, 1, "\N{MINUS SIGN}3.5"),
        (-0.001, 2, "\N{MINUS SIGN}0.001"),
        (-1e-17, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (0.0, 6, "0"),
        (0.0000001, 6, "0.0000001"),
        (0.00001234, 8, "0.00001234"),
        (1.5e20, 0, "1.50e20"),
        (2.5e-30, 20, "2.50e-30"),
        (-2.5e-30, 20, "\N{MINUS SIGN}2.50e-30"),
        (0.0, 2, "0.00"),
    ],
)
def test_a_price_is_written_as_traders_do(value, decimals, text):
    assert number_format.price(value, decimals) == text


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
        (0.00001, "0.00001"),
        (0.000012, "0.000012"),
        (1e60, "1.00e60"),
        (-2500, "\N{MINUS SIGN}2.5k"),
    ],
)
def test_large_quantities_are_short(value, text):
    assert number_format.compact(value) == text


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
    assert number_format.percent(fraction, sign=sign) == text


def test_axis_percentages_drop_their_zeros():
    assert [number_format.short_percent(share) for share in (-0.1, -0.125, 0.0)] == [
        "\N{MINUS SIGN}10%",
        "\N{MINUS SIGN}12.5%",
        "0%",
    ]


@pytest.mark.parametrize(
    ("ticks", "decimals", "texts"),
    [
        ([1.07, 1.0705, 1.071], 4, ["1.0700", "1.0705", "1.0710"]),
        ([100.0, 100.5, 101.0], 0, ["100.0", "100.5", "101.0"]),
        ([12_400_000, 12_600_000], 0, ["12.4M", "12.6M"]),
        ([12_345_600, 12_345_700], 0, ["12,345,600", "12,345,700"]),
        ([800e6, 1e9, 1.2e9], 0, ["0.8B", "1.0B", "1.2B"]),
        ([0.00001230, 0.00001232], 8, ["0.00001230", "0.00001232"]),
        ([0.1, 1, 10, 100, 1000], 2, ["0.1", "1", "10", "100", "1,000"]),
        ([0.001, 0.01, 0.1], 2, ["0.001", "0.01", "0.1"]),
        ([1e6, 1e8, 1e10], 2, ["1M", "100M", "10B"]),
        ([1.234e-12, 1.235e-12], 15, ["1.234e-12", "1.235e-12"]),
        ([-0.0005, 0.0, 0.0005], 4, ["\N{MINUS SIGN}0.0005", "0", "0.0005"]),
        ([0.0], 4, ["0"]),
    ],
)
def test_the_labels_of_an_axis_are_short_and_different(ticks, decimals, texts):
    assert [*map(number_format.axis_formatter(ticks, decimals), ticks)] == texts


@given(st.floats(1e-90, 1e90), st.floats(1e-6, 1e6), st.booleans(), st.integers(0, 10))
def test_no_two_labels_of_an_axis_look_alike(low, span, log, decimals):
    scale = ValueScale(low, low * (1 + span), 0, 400, log)
    ticks = axis_ticks(scale, 38)
    texts = [*map(number_format.axis_formatter(ticks, decimals), ticks)]
    assert len(set(texts)) == len(texts)
    for text in texts:
        assert not re.fullmatch(r"\N{MINUS SIGN}?0\.0{3,}", text)
        assert not re.search(r"e-0\d|e\+", text)


@given(st.floats(-1e12, 1e12), st.integers(0, 10))
def test_no_price_is_a_row_of_zeros_or_minus_nothing(value, decimals):
    text = number_format.price(value, decimals)
    if not any(digit in text for digit in "123456789"):
        assert text in {"0", "0.0", "0.00"}
        assert abs(value) < 1e-10
