"""Fonts of CHARTS_FONT_DIRS: order, shaping, choice of faces, and what is still missing. The fonts are made here."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest

from app.charts.domain import SignalMark
from app.charts.rendering import engine
from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.fallback_text import missing
from app.charts.rendering.canvas.font_faces import face_for
from app.charts.rendering.canvas.font_files import font_files, fonts_digest
from app.charts.rendering.canvas.text import fit, mask, width
from app.charts.rendering.version import ENGINE_VERSION, engine_version
from tests.unit.charts.rendering.chart_builders import START_MS, a_spec, pixels
from tests.unit.charts.rendering.font_builder import build_font

SIZE = Font(100)
# Scripts DejaVu has no glyphs of: Syriac runs to the left and is joined, Devanagari is reordered, kana and Han stand.
ALAPH, BETH = "\N{SYRIAC LETTER ALAPH}", "\N{SYRIAC LETTER BETH}"
KA, I_SIGN = "\N{DEVANAGARI LETTER KA}", "\N{DEVANAGARI VOWEL SIGN I}"
HAN, KANA, HANGUL = "\u4e2d", "\u3042", "\ud55c"
MAN, WOMAN, JOINER = "\N{MAN}", "\N{WOMAN}", "\N{ZERO WIDTH JOINER}"


@pytest.fixture(autouse=True)
def _no_fonts_afterwards():
    yield
    engine.use_fonts([])


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def boxes(text):
    """Widths in pixels of the boxes that a text is drawn as, from left to right."""
    row = mask(text, SIZE).coverage[-10:].max(axis=0) > 128
    return [len(list(run)) for inked, run in groupby(row) if inked]


def test_letters_that_run_to_the_left_stand_in_that_order(folder):
    build_font(folder / "a.ttf", {ALAPH: 400, BETH: 800})
    engine.use_fonts([folder])
    assert boxes(ALAPH + BETH) == pytest.approx([70, 30], abs=2)


def test_a_sentence_of_two_directions_keeps_the_first_ones_order(folder):
    build_font(folder / "a.ttf", {ALAPH: 400, BETH: 800})
    engine.use_fonts([folder])
    text = f"l {ALAPH}{BETH} l"
    drawn = [size for size in boxes(text) if size > 20]
    assert drawn == pytest.approx([70, 30], abs=2)
    assert boxes(text)[0] == boxes(text)[-1] == boxes("l")[0]


def test_a_vowel_sign_goes_before_its_consonant_where_the_script_says_so(folder):
    build_font(folder / "a.ttf", {KA: 800, I_SIGN: 400}, features="languagesystem dev2 dflt;")
    engine.use_fonts([folder])
    assert boxes(KA + I_SIGN) == pytest.approx([30, 70], abs=2)


def test_joined_emoji_become_one_where_the_font_has_it(folder):
    glyphs = {MAN: 500, WOMAN: 600, JOINER: 0, "family": 1000}
    feature = f"feature liga {{ sub u{ord(MAN):04X} u200D u{ord(WOMAN):04X} by family; }} liga;"
    build_font(folder / "a.ttf", glyphs, features=feature)
    engine.use_fonts([folder])
    assert boxes(MAN + JOINER + WOMAN) == pytest.approx([90], abs=2)
    assert boxes(MAN + WOMAN) == pytest.approx([40, 50], abs=2)


def test_chinese_characters_follow_the_script_beside_them(folder):
    for number, region in enumerate(("JP", "KR", "SC", "TC")):
        build_font(
            folder / f"{number}.ttf", {HAN: 400 + 100 * number, KANA: 300, HANGUL: 300}, family=f"Sans CJK {region}"
        )
    engine.use_fonts([folder])
    assert [boxes(text)[0] for text in (HAN + KANA, HAN + HANGUL, HAN)] == pytest.approx([30, 40, 50], abs=2)


def test_a_bold_text_takes_the_bold_face(folder):
    build_font(folder / "a.ttf", {HAN: 400}, style="Regular")
    build_font(folder / "b.ttf", {HAN: 900}, style="Bold")
    engine.use_fonts([folder])
    assert width(HAN, Font(100)) == pytest.approx(30, abs=2)
    assert width(HAN, Font(100, bold=True)) == pytest.approx(80, abs=2)


def test_upright_sans_faces_come_before_serif_light_and_slanted_ones(folder):
    build_font(folder / "a.ttf", {HAN: 300}, family="Some Serif")
    build_font(folder / "b.ttf", {HAN: 400}, family="Some Sans Light")
    build_font(folder / "c.ttf", {HAN: 500}, family="Some Sans", style="Italic")
    build_font(folder / "d.ttf", {HAN: 600}, family="Some Sans")
    engine.use_fonts([folder])
    assert width(HAN, Font(100)) == pytest.approx(50, abs=2)


def test_latin_text_is_drawn_as_without_any_fonts(folder):
    plain = pixels(a_spec(title="EURUSD 1h"))
    build_font(folder / "a.ttf", dict.fromkeys("EURSD1h", 900))
    engine.use_fonts([folder])
    assert (pixels(a_spec(title="EURUSD 1h")) == plain).all()


def test_characters_no_font_has_are_named_with_their_numbers(folder):
    build_font(folder / "a.ttf", {HAN: 900})
    engine.use_fonts([folder])
    (warning,) = engine.render(a_spec(title=f"{HAN}{KANA}")).warnings
    assert KANA in warning
    assert "U+3042" in warning
    assert HAN not in warning
    assert missing([HAN, KANA]) == [KANA]


def test_many_missing_characters_are_counted(folder):
    engine.use_fonts([folder])
    (warning,) = engine.render(a_spec(title="".join(map(chr, range(0x4E00, 0x4E14))))).warnings
    assert "20 characters" in warning
    assert warning.endswith("and 10 more")


def test_fonts_that_come_and_go_change_texts_already_drawn(folder):
    engine.use_fonts([])
    before = width(HAN, SIZE)
    build_font(folder / "a.ttf", {HAN: 300})
    engine.use_fonts([folder])
    assert width(HAN, SIZE) == pytest.approx(20, abs=2)
    engine.use_fonts([])
    assert width(HAN, SIZE) == before
    assert face_for(HAN) is None


def test_files_that_are_no_fonts_are_named_and_do_no_harm(folder):
    (folder / "broken.ttf").write_bytes(b"no font")
    build_font(folder / "good.ttf", {HAN: 300})
    assert engine.use_fonts([folder]) == [str(folder / "broken.ttf")]
    assert width(HAN, SIZE) == pytest.approx(20, abs=2)


def test_a_folder_that_is_not_there_has_no_fonts(folder):
    assert engine.use_fonts([folder / "none"]) == []
    assert font_files([folder / "none"]) == ()


def test_a_stack_of_marks_does_not_leave_its_line():
    zalgo = "Z" + "\N{COMBINING LATIN SMALL LETTER A}" * 30
    assert mask(zalgo, Font(20)).coverage.shape[0] <= 46


def test_a_text_of_a_font_is_cut_to_its_room(folder):
    build_font(folder / "a.ttf", {HAN: 1000})
    engine.use_fonts([folder])
    assert width(fit(HAN * 30, Font(20), 200), Font(20)) <= 200


@pytest.mark.parametrize("room", [0, 30, 100, 333, 1000, 5000])
@pytest.mark.parametrize("glyph_width", [110, 400, 1000, 3000])
def test_as_much_of_a_text_is_kept_as_fits(folder, room, glyph_width):
    build_font(folder / "a.ttf", {HAN: glyph_width})
    engine.use_fonts([folder])
    text = HAN * 60
    kept = fit(text, Font(20), room)
    assert width(kept, Font(20)) <= room
    more = text if len(kept) >= len(text) - 1 else HAN * (len(kept) + 4) + "\N{HORIZONTAL ELLIPSIS}"
    assert kept == text or width(more, Font(20)) > room


def test_a_long_text_is_shaped_at_most_six_times_to_be_cut(folder):
    build_font(folder / "a.ttf", {HAN: 700})
    engine.use_fonts([folder])
    before = mask.cache_info().misses
    fit(HAN * 200, Font(20), 500)
    assert mask.cache_info().misses - before <= 6


def test_a_text_is_not_cut_between_a_letter_and_its_marks(folder):
    build_font(folder / "a.ttf", {KA: 800, I_SIGN: 400, MAN: 900, JOINER: 0})
    engine.use_fonts([folder])
    for room in range(40, 200, 7):
        assert fit((KA + I_SIGN) * 20, Font(20), room).count(KA) == fit((KA + I_SIGN) * 20, Font(20), room).count(
            I_SIGN
        )
        assert JOINER + "\N{HORIZONTAL ELLIPSIS}" not in fit((MAN + JOINER) * 20, Font(20), room)


def test_labels_of_a_font_stand_on_the_picture_whole(folder):
    build_font(folder / "a.ttf", {HAN: 1000})
    engine.use_fonts([folder])
    bare = pixels(a_spec(annotations=(SignalMark("buy", START_MS + 20 * 86_400_000),)))
    named = pixels(a_spec(annotations=(SignalMark("buy", START_MS + 20 * 86_400_000, None, HAN * 4),)))
    assert np.flatnonzero((bare != named).any(axis=(0, 2))).size > 30


def test_the_engine_version_follows_names_sizes_and_beginnings_of_the_fonts(folder):
    assert engine_version(()) == ENGINE_VERSION
    assert engine_version((folder / "none",)) == ENGINE_VERSION
    build_font(folder / "a.ttf", {HAN: 1000})
    first = fonts_digest([folder])
    build_font(folder / "a.ttf", {HAN: 900})
    second = fonts_digest([folder])
    (folder / "a.ttf").rename(folder / "b.ttf")
    assert len({first, second, fonts_digest([folder]), ""}) == 4
    assert engine_version((folder,)) == f"{ENGINE_VERSION}+{fonts_digest([folder])}"


def test_equal_fonts_at_different_places_give_one_version(tmp_path):
    for name in ("web", "worker"):
        (tmp_path / name / "deep").mkdir(parents=True)
    font = build_font(tmp_path / "web" / "deep" / "a.ttf", {HAN: 1000})
    (tmp_path / "worker" / "deep" / "a.ttf").write_bytes(font.read_bytes())
    assert fonts_digest([tmp_path / "web"]) == fonts_digest([tmp_path / "worker"]) != ""


def test_files_beside_the_fonts_do_not_count(folder):
    build_font(folder / "a.ttf", {HAN: 1000})
    before = fonts_digest([folder])
    (folder / "README").write_text("fonts")
    assert fonts_digest([folder]) == before
