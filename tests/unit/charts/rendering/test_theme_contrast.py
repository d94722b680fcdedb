"""Contrast and difference of the themes' colours, by WCAG 2.2 and CIEDE2000, computed here from their definitions."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.domain import HLine, MovingAverage, RsiPanel, SignalMark, VolumePanel
from app.charts.rendering import engine
from app.charts.rendering.canvas.color import Rgba, parse
from app.charts.rendering.plotting.theme import (
    COLORBLIND,
    DARK,
    LIGHT,
    THEMES,
    theme_of,
)
from tests.unit.charts.rendering.chart_builders import DAY_MS, START_MS, a_spec, pixels, where
from tests.unit.charts.rendering.color_distance import distance, lab_of

TEXT, MARK = 4.5, 3.0
DISTINCT = 13.0  # CIEDE2000; below it, two lines of 1.5 px look alike
THEME_NAMES = sorted(THEMES)
parts = st.integers(0, 255)
colors = st.tuples(parts, parts, parts).map(lambda color: Rgba(*color))


def luminance(color):
    parts = [part / 255 for part in color[:3]]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def ratio(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_ratios_are_those_of_the_standard():
    assert ratio(Rgba(0, 0, 0), Rgba(255, 255, 255)) == pytest.approx(21)
    assert ratio(parse("#767676"), Rgba(255, 255, 255)) == pytest.approx(4.54, abs=0.005)
    assert parse("#767676").contrast(Rgba(255, 255, 255)) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_distances_are_those_of_the_published_test_data(one, other, apart):
    assert distance(one, other) == pytest.approx(apart, abs=1e-4)


@pytest.mark.parametrize("name", THEME_NAMES)
def test_text_can_be_read_in_every_theme(name):
    theme = THEMES[name]
    for color in (theme.text, theme.muted):
        assert ratio(color, theme.background) >= TEXT
    for color in (theme.up, theme.down, theme.accent, *theme.lines):
        assert ratio(theme.text_in(color), theme.background) >= TEXT
        assert ratio(color.ink(), color) >= TEXT


@pytest.mark.parametrize("name", THEME_NAMES)
def test_marks_and_lines_can_be_seen_in_every_theme(name):
    theme = THEMES[name]
    for color in (theme.up, theme.down, theme.accent, *theme.lines):
        assert ratio(color, theme.background) >= MARK
    for color in (theme.up, theme.down, theme.muted, *theme.lines):
        assert ratio(theme.faint(color, 0.2), theme.background) >= MARK


@pytest.mark.parametrize("name", THEME_NAMES)
def test_every_theme_has_twelve_distinguishable_overlay_colours(name):
    theme = THEMES[name]
    assert len(set(theme.lines)) >= 12
    others = (theme.up, theme.down, theme.accent, theme.muted, theme.text)
    pairs = [*combinations(theme.lines, 2), *((line, other) for line in theme.lines for other in others)]
    assert min(distance(lab_of(one), lab_of(other)) for one, other in pairs) >= DISTINCT


@given(colors, colors, st.sampled_from([TEXT, MARK]))
def test_any_colour_is_made_readable_on_any_background(color, background, least):
    assert ratio(color.readable_on(background, least), background) >= least
    assert ratio(color.faint_on(background, 0.3, least), background) >= least


@given(colors)
def test_ink_on_any_tag_can_be_read(color):
    assert ratio(color.ink(), color) >= TEXT


def test_ink_is_white_or_dark_whichever_reads_better():
    assert parse("#ffd54f").ink() == parse("#131722")
    assert parse("#0d47a1").ink() == parse("#ffffff")


def test_a_readable_colour_stays_as_it_is():
    assert parse("#8f24aa").readable_on(LIGHT.background, TEXT) == parse("#8f24aa")


@given(colors, st.sampled_from(THEME_NAMES))
def test_a_custom_background_chooses_its_ink_and_its_marks(background, name):
    theme = theme_of(a_spec(theme=name, colors={"background": background.hex}))
    assert theme.background == background
    assert ratio(theme.text, background) >= TEXT
    assert ratio(theme.muted, background) >= TEXT
    assert min(ratio(color, background) for color in (theme.up, theme.down, theme.accent, *theme.lines)) >= MARK
    assert theme.grid != background
    assert ratio(theme.grid, background) < ratio(theme.border, background) < ratio(theme.text, background)


def test_a_dark_background_takes_the_colours_of_the_dark_theme():
    theme = theme_of(a_spec(colors={"background": "#101010"}))
    assert (theme.text, theme.lines) == (DARK.text, DARK.lines)
    assert theme_of(a_spec(theme="dark", colors={"background": "#fffdf5"})).text == LIGHT.text
    assert theme_of(a_spec(theme="colorblind", colors={"background": "#101010"})).hollow_up == COLORBLIND.hollow_up


def test_a_text_colour_that_cannot_be_read_is_darkened_with_a_warning():
    spec = a_spec(colors={"muted": "#eeeeee"})
    theme = theme_of(spec)
    assert ratio(theme.muted, theme.background) >= TEXT
    (warning,) = engine.render(spec).warnings
    assert "colors/muted: #eeeeee cannot be read on #ffffff" in warning
    assert theme.muted.hex in warning


def test_a_mark_colour_of_the_spec_is_used_and_gives_a_warning_where_it_is_hard_to_see():
    spec = a_spec(colors={"up": "#ffff66"}, overlays=(MovingAverage("sma", 5, "#eeeeff"),))
    assert where(pixels(spec), (255, 255, 102)).any()
    assert [warning.split(":")[0] for warning in engine.render(spec).warnings] == ["colors/up", "overlays/0/color"]


@pytest.mark.parametrize("name", THEME_NAMES)
@pytest.mark.parametrize("background", ["#ffffff", "#0b0e14", "#f4ecd8", "#808080"])
def test_no_text_of_a_picture_is_drawn_in_a_colour_that_cannot_be_read(name, background):
    spec = a_spec(
        format="svg",
        theme=name,
        colors={"background": background, "up": "#bada55", "down": "#ff8a80"},
        overlays=tuple(MovingAverage("sma", period) for period in range(3, 15)),
        panels=(VolumePanel(), RsiPanel(5)),
        annotations=(HLine(104.0, "Level"), SignalMark("buy", START_MS + 9 * DAY_MS, None, "In")),
        height=600,
    )
    inks = set(_text_colors(engine.render(spec).data.decode()))
    on_tags = {tag.ink().hex for tag in (parse("#bada55"), parse("#ff8a80"), theme_of(spec).muted)}
    assert len(inks) > 5
    assert all(ratio(parse(ink), parse(background)) >= TEXT for ink in inks - on_tags)


def _text_colors(svg):
    for element in svg.split("<text ")[1:]:
        head = element.split(">")[0]
        yield head.split('fill="')[1][:7]


def test_volume_columns_have_the_contrast_of_marks():
    spec = a_spec(panels=(VolumePanel(),), height=600)
    theme = theme_of(spec)
    picture = pixels(spec)
    assert where(picture, theme.faint(theme.up, 0.55)[:3]).sum() > 100
    assert ratio(theme.faint(theme.up, 0.55), theme.background) >= MARK


def test_header_numbers_are_in_a_readable_shade_of_a_custom_colour():
    pale = replace(a_spec(), colors={"up": "#bada55", "down": "#bada55"})
    head = pixels(pale)[8:50]
    assert not where(head, (0xBA, 0xDA, 0x55)).any()
    assert where(head, theme_of(pale).text_in(parse("#bada55"))[:3]).any()
    assert np.any(where(pixels(pale)[60:], (0xBA, 0xDA, 0x55)))
