from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.fallback_text import MISSING, is_plain, missing
from app.charts.rendering.canvas.fonts import font_path
from app.charts.rendering.canvas.text import (
    cap_height,
    fit,
    mask,
    width,
)

LABEL = Font(11)


@pytest.mark.parametrize("text", ["1,234.56", "EURUSD 1h", "AVAX/USD Type", "\N{MINUS SIGN}0.5%", "Übermäßig"])
@pytest.mark.parametrize("font", [Font(11), Font(14, bold=True), Font(33)])
def test_composed_glyphs_look_like_the_text_drawn_in_one_call(text, font):
    face = ImageFont.truetype(font_path(bold=font.bold), font.size, layout_engine=ImageFont.Layout.BASIC)
    core, (_, top) = face.getmask2(text, "L", anchor="ls")
    columns, rows = core.size
    whole = np.frombuffer(bytes(core), np.uint8).reshape(rows, columns)
    own = mask(text, font)
    assert abs(own.advance - face.getlength(text)) <= 1
    assert own.top == top
    assert own.coverage.sum() == pytest.approx(whole.sum(), rel=0.02)


def test_a_blank_takes_room_and_has_no_pixels():
    assert mask("   ", LABEL).coverage.size == 0
    assert width("   ", LABEL) > 0


def test_nothing_takes_no_room():
    assert width("", LABEL) == 0


def test_digits_are_all_of_one_width_so_that_prices_stand_in_columns():
    assert len({width(digit, LABEL) for digit in "0123456789"}) == 1


def test_capitals_are_as_high_as_the_metrics_say():
    assert mask("H", LABEL).coverage.shape[0] == cap_height(LABEL)


@pytest.mark.parametrize("text", ["مرحبا", "שלום", "中文", "हिन्दी", "a\u0301", "tab\tbed", "a\u202eb", "\x00"])
def test_other_scripts_and_controls_go_to_the_text_engine(text):
    assert not is_plain(text)
    assert mask(text, LABEL).advance == width(text, LABEL)


def test_arabic_letters_are_joined():
    apart = sum(width(letter, Font(20)) for letter in "مرحبا")
    assert 0 < width("مرحبا", Font(20)) < apart


def test_dollars_and_backslashes_are_letters_like_any_other():
    assert is_plain(r"$\frac{1}{2}$")
    assert width("$x_2$", LABEL) == sum(width(letter, LABEL) for letter in "$x_2$")


def test_a_character_without_a_glyph_is_named_and_shown_as_a_square():
    lost = "\U000f0000"
    assert missing(["plain", f"a{lost}b{lost}"]) == [lost]
    assert width(f"{lost}{lost}", LABEL) == pytest.approx(2 * width(MISSING, LABEL), abs=2)


def test_invisible_characters_are_not_missed():
    assert missing(["a\u200db\ufe0f\u0301\x00"]) == []


@pytest.mark.parametrize("room", [0, 5, 20, 60, 200])
def test_a_long_text_is_cut_to_its_room_with_an_ellipsis(room):
    short = fit("A title that goes on and on", LABEL, room)
    assert width(short, LABEL) <= room
    assert short == "" or short.endswith(("\N{HORIZONTAL ELLIPSIS}", "on and on"))


def test_a_text_that_fits_is_not_cut():
    assert fit("Short", LABEL, 200) == "Short"
