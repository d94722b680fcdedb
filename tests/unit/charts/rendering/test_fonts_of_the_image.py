"""The fonts that the image ships, where their Debian packages are installed, as continuous integration does it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from app.charts.rendering import engine
from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.fallback_text import missing
from app.charts.rendering.canvas.font_faces import face_for
from app.charts.rendering.canvas.text import mask, width
from config import DEFAULT_FONT_DIRS, Settings
from tests.unit.charts.rendering.chart_builders import a_spec

ROOT = Path(__file__).resolve().parents[4]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
FONTS = Path("/usr/share/fonts")
SAMPLES = {
    "Latin": "Übermäßig Čeština Tiếng Việt",
    "Greek": "Σήμα αγοράς",
    "Cyrillic": "Сигнал на покупку",
    "Arabic": "إشارة شراء",
    "Hebrew": "אות קנייה",
    "Devanagari": "खरीदने का संकेत",
    "Thai": "สัญญาณซื้อ",
    "Chinese": "买入信号",
    "Japanese": "買いシグナル",
    "Korean": "매수 신호",
    "emoji": "\N{ROCKET}\N{GRINNING FACE}\N{CHART WITH UPWARDS TREND}",
}


def shipped():
    """The font files that the image's stage copies, each below /usr/share/fonts."""
    stage = DOCKERFILE.split(" AS fonts")[1].split("\nFROM ")[0]
    scripts = re.search(r"for script in (.*?);", stage)
    assert scripts is not None
    names = re.findall(r"(?:truetype|opentype)/\S+?\.tt[fc]", stage)
    for name in names:
        yield from (
            (name.replace("$script", script.strip('"')) for script in scripts[1].split())
            if "$script" in name
            else [name]
        )


SHIPPED = [*shipped()]
LACKING = [name for name in SHIPPED if not (FONTS / name).is_file()]
needs_fonts = pytest.mark.skipif(
    bool(LACKING), reason=f"fonts-noto-core, fonts-noto-cjk, fonts-symbola are not installed: {' '.join(LACKING[:2])}"
)


@pytest.fixture
def image_fonts(tmp_path):
    """The fonts of the image alone, in one folder, as the image has them."""
    for name in SHIPPED:
        (tmp_path / Path(name).name).symlink_to(FONTS / name)
    assert engine.use_fonts([tmp_path]) == []
    yield tmp_path
    engine.use_fonts([])


def test_the_image_uses_the_folder_its_fonts_are_copied_to():
    assert "COPY --from=fonts /fonts /usr/share/fonts/signalbox\n" in DOCKERFILE
    assert "CHARTS_FONT_DIRS=/usr/share/fonts/signalbox " in DOCKERFILE
    assert len(SHIPPED) == 15


def test_the_default_folders_are_those_of_the_same_packages():
    assert {str((FONTS / name).parent) for name in SHIPPED} == set(DEFAULT_FONT_DIRS)
    assert Settings().font_folders == tuple(map(Path, DEFAULT_FONT_DIRS))


@needs_fonts
@pytest.mark.parametrize("script", SAMPLES)
@pytest.mark.parametrize("bold", [False, True])
def test_the_fonts_of_the_image_have_every_character_of_a_script(image_fonts, script, bold):
    assert missing([SAMPLES[script]]) == []
    assert all(face_for(char, bold=bold) is not None for char in SAMPLES[script])
    assert width(SAMPLES[script], Font(14, bold=bold)) > 0
    assert engine.render(a_spec(title=SAMPLES[script], width=900)).warnings == ()


@needs_fonts
def test_thai_marks_stand_above_their_letters(image_fonts):
    letter, marked = mask("ซอ", Font(40)), mask("ซื้อ", Font(40))
    assert marked.advance == pytest.approx(letter.advance, abs=3)
    assert marked.top < letter.top - 5


@needs_fonts
def test_devanagari_letters_hang_from_one_line(image_fonts):
    coverage = mask("संकेत", Font(40)).coverage
    assert (coverage > 128).mean(axis=1).max() > 0.9


@needs_fonts
def test_chinese_and_japanese_differ_where_their_forms_do(image_fonts):
    faces = [face_for("\u9aa8", region) for region in ("SC", "JP")]
    assert [face and face.family for face in faces] == ["Noto Sans CJK SC", "Noto Sans CJK JP"]
    assert not np.array_equal(
        mask("骨", Font(40)).coverage, mask("骨の", Font(40)).coverage[:, : mask("骨", Font(40)).advance]
    )
