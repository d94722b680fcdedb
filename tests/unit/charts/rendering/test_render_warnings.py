from __future__ import annotations

import pytest

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    HLine,
    MacdPanel,
    MovingAverage,
    OrderMark,
    RsiPanel,
    Sample,
    SignalMark,
    VLine,
    VolumePanel,
    Zone,
)
from app.charts.rendering import engine
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, some_bars

BEFORE, LONG_AFTER = START_MS - 10 * DAY_MS, START_MS + 500 * DAY_MS


def price_warnings(**changes):
    return engine.render(a_spec(**changes)).warnings


def test_a_plain_chart_warns_of_nothing():
    assert price_warnings() == ()


@pytest.mark.parametrize("overlay", [MovingAverage("sma", 61), MovingAverage("ema", 61), Bollinger(61)])
def test_a_period_longer_than_the_data_is_a_warning(overlay):
    (warning,) = price_warnings(overlays=(overlay,))
    assert "too few bars (60)" in warning


@pytest.mark.parametrize("panel", [RsiPanel(60), MacdPanel(12, 60, 9), AtrPanel(60)])
def test_a_panel_longer_than_the_data_is_a_warning(panel):
    (warning,) = price_warnings(panels=(panel,))
    assert "too few bars (60)" in warning


@pytest.mark.parametrize(
    "annotation",
    [
        SignalMark("buy", BEFORE),
        VLine(BEFORE),
        Zone(BEFORE, BEFORE + DAY_MS),
        Zone(LONG_AFTER, LONG_AFTER + DAY_MS),
        OrderMark("buy", 100.0, BEFORE, end=BEFORE + DAY_MS),
        VLine(LONG_AFTER),
    ],
    ids=lambda annotation: annotation.kind,
)
def test_an_annotation_outside_the_bars_is_a_warning(annotation):
    (warning,) = price_warnings(annotations=(annotation,))
    assert "outside the bars" in warning


@pytest.mark.parametrize("annotation", [HLine(1e6), SignalMark("buy", START_MS, 1e6)], ids=lambda one: one.kind)
def test_a_price_far_from_the_bars_is_a_warning_and_does_not_squeeze_them(annotation):
    (warning,) = price_warnings(annotations=(annotation,))
    assert "1,000,000.00" in warning


def test_a_price_near_the_bars_widens_the_scale_instead():
    assert price_warnings(annotations=(HLine(122.0), HLine(90.0))) == ()


def test_more_bars_than_pixels_are_joined_with_a_warning():
    (warning,) = price_warnings(data=some_bars(1000))
    assert warning.startswith("1000 bars are drawn as 167, 6 in one")


def test_panels_that_do_not_fit_are_named():
    (warning,) = price_warnings(height=120, panels=(VolumePanel(), RsiPanel(5)))
    assert "too low for 2 of 2 panels, not drawn: Volume; RSI 5" in warning


def test_a_character_no_font_has_is_a_warning_and_a_square():
    (warning,) = price_warnings(title="A \U000e0fff\U0010fffd B")
    assert "\U0010fffd" in warning


def test_missing_values_of_a_histogram_are_counted():
    (warning,) = price_warnings(type="histogram", data=Sample((1.0, None, 2.0, None)))
    assert warning.startswith("2 of 4 values are missing")
