from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    DrawdownPanel,
    MacdPanel,
    MovingAverage,
    RsiPanel,
    VolumePanel,
    VolumeProfile,
    Vwap,
)
from app.charts.rendering import engine
from tests.unit.charts.rendering.chart_builders import a_spec, data_for, opened, pixels, some_bars

TYPES = ("candlestick", "ohlc", "line", "area", "heikin_ashi", "renko", "equity", "histogram")
PRICE_TYPES = TYPES[:6]
OVERLAYS = (
    MovingAverage("sma", 5),
    MovingAverage("ema", 5),
    MovingAverage("wma", 5),
    Bollinger(5),
    Vwap(),
    VolumeProfile(12),
)
PANELS = (VolumePanel(), RsiPanel(5), MacdPanel(3, 6, 2), AtrPanel(5), DrawdownPanel())


def a_chart_of(chart_type, **changes):
    return a_spec(type=chart_type, data=data_for(chart_type, some_bars()), **changes)


@pytest.mark.parametrize("image_format", ["png", "webp"])
@pytest.mark.parametrize("chart_type", TYPES)
def test_every_type_is_drawn_at_the_size_of_its_spec(chart_type, image_format):
    image = engine.render(a_chart_of(chart_type, format=image_format))
    assert opened(image).format == image_format.upper()
    assert opened(image).size == (image.width, image.height) == (640, 400)
    assert image.format == image_format
    assert not image.degraded


@pytest.mark.parametrize("chart_type", TYPES)
def test_an_svg_is_well_formed_keeps_its_text_and_carries_its_description(chart_type):
    image = engine.render(a_chart_of(chart_type, format="svg", title="Rise & <fall>"))
    root = ET.fromstring(image.data.decode())  # noqa: S314 - our own document
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert (root.get("width"), root.get("height")) == ("640", "400")
    assert root.get("aria-label") == image.alt
    assert "Rise & <fall>" in texts
    assert b"nan" not in image.data


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_scale_multiplies_the_pixels(scale):
    image = engine.render(a_spec(scale=scale))
    assert opened(image).size == (image.width, image.height) == (640 * scale, 400 * scale)


@pytest.mark.parametrize("size", [(64, 64), (3000, 64), (64, 1500), (320, 200), (3000, 2000)])
@pytest.mark.parametrize("chart_type", ["candlestick", "equity", "histogram"])
def test_extreme_sizes_are_drawn_exactly(chart_type, size):
    image = engine.render(a_chart_of(chart_type, width=size[0], height=size[1]))
    assert opened(image).size == size


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda overlay: overlay.kind)
@pytest.mark.parametrize("chart_type", PRICE_TYPES)
def test_an_overlay_changes_the_picture_of_every_price_type(chart_type, overlay):
    plain = a_chart_of(chart_type)
    assert (pixels(plain) != pixels(replace(plain, overlays=(overlay,)))).any()


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.kind)
@pytest.mark.parametrize("chart_type", PRICE_TYPES)
def test_a_panel_is_drawn_below_every_price_type(chart_type, panel):
    spec = a_chart_of(chart_type, panels=(panel,))
    image = engine.render(spec)
    assert image.warnings == ()
    assert (pixels(spec) != pixels(replace(spec, panels=()))).any()


@pytest.mark.parametrize("theme", ["light", "dark", "colorblind"])
@pytest.mark.parametrize("chart_type", TYPES)
def test_a_theme_paints_the_whole_background(chart_type, theme):
    picture = pixels(a_chart_of(chart_type, theme=theme))
    expected = (19, 23, 34) if theme == "dark" else (255, 255, 255)
    assert {tuple(corner) for corner in picture[[0, 0, -1, -1], [0, -1, 0, -1]].tolist()} == {expected}


def test_own_colours_replace_those_of_the_theme():
    picture = pixels(a_spec(colors={"up": "#0a0b0c", "down": "#f0d", "background": "#123456"}))
    colors = {tuple(color) for color in picture.reshape(-1, 3).tolist()}
    assert {(0x0A, 0x0B, 0x0C), (0xFF, 0x00, 0xDD), (0x12, 0x34, 0x56)} <= colors


def test_all_overlays_and_panels_fit_on_one_chart():
    image = engine.render(a_spec(overlays=OVERLAYS, panels=PANELS, height=800))
    assert image.warnings == ()


def test_warming_up_draws_without_complaint():
    engine.warm_up()
