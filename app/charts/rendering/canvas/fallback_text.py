"""Text that needs shaping or other fonts: joined and right-to-left scripts, and scripts that DejaVu lacks.

matplotlib's text engine shapes and orders it (libraqm: HarfBuzz and the Unicode bidirectional algorithm), with the
fonts of CHARTS_FONT_DIRS. A character without a font becomes a hollow square, and the chart has a warning.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np
from matplotlib.font_manager import get_font
from matplotlib.ft2font import LoadFlags

from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.font_faces import face_for
from app.charts.rendering.canvas.fonts import Mask, font_path

MISSING: Final = "\N{WHITE SQUARE}"
_LEFT_TO_RIGHT: Final = "\N{LEFT-TO-RIGHT MARK}"
_PIXELS_PER_POINT_DPI: Final = 72
_PER_PIXEL: Final = 64
_JOINED: Final = range(0x0590, 0x1E00)
_ASCENT, _DESCENT = 1.5, 0.75  # of the font's size; taller stacks of marks are cut off
_REGIONS: Final = (
    ("JP", (range(0x3040, 0x3100), range(0x31F0, 0x3200), range(0xFF66, 0xFFA0))),
    ("KR", (range(0x1100, 0x1200), range(0x3130, 0x3190), range(0xAC00, 0xD7B0))),
    ("TC", (range(0x3100, 0x3130), range(0x31A0, 0x31C0))),
)
_LANGUAGES: Final = {"JP": "ja", "KR": "ko", "TC": "zh-Hant", "SC": "zh-Hans"}


def is_plain(text: str) -> bool:
    """Whether DejaVu has one glyph for each character, written from left to right without shaping."""
    if text.isascii():
        return text.isprintable()
    return all(char.isprintable() and ord(char) not in _JOINED and not joins(char) and _has(char) for char in text)


def missing(texts: Iterable[str]) -> list[str]:
    """The visible characters without a font in this process, each once, sorted."""
    characters = {char for text in texts if not text.isascii() for char in text}
    return sorted(char for char in characters if _visible(char) and face_for(char) is None)


def shaped(text: str, font: Font) -> Mask:
    """The mask of a text that is not plain."""
    shown = "".join(_shown(char) for char in text).strip()
    if not shown:
        return Mask(np.zeros((0, 0), np.uint8), 0, 0, 0)
    if _runs_right(text):
        shown = _LEFT_TO_RIGHT + shown
    region = _region(text)
    faces = dict.fromkeys(face_for(char, region, bold=font.bold) for char in shown)
    face = get_font((font_path(bold=font.bold), *(fallback.source for fallback in faces if fallback is not None)))
    face.set_size(font.size, _PIXELS_PER_POINT_DPI)
    # The glyphs of plain text are hinted by the font's own program; so are these, to look the same beside them.
    face.set_text(shown, 0.0, flags=LoadFlags.DEFAULT, language=_LANGUAGES[region])
    face.draw_glyphs_to_bitmap(antialiased=True)
    coverage = np.array(face.get_image(), np.uint8)
    top = math.ceil(face.get_descent() / _PER_PIXEL) - coverage.shape[0]
    above, below = (
        max(-top - round(_ASCENT * font.size), 0),
        max(top + coverage.shape[0] - round(_DESCENT * font.size), 0),
    )
    advance = coverage.shape[1]
    return Mask(coverage[above : coverage.shape[0] - below], 0, top + above, advance)


def _region(text: str) -> str:
    """The region whose forms of Chinese characters the text needs, guessed from its other characters."""
    codes = [ord(char) for char in text]
    for region, blocks in _REGIONS:
        if any(code in block for code in codes for block in blocks):
            return region
    return "SC"


def _shown(char: str) -> str:
    """The character as it is drawn: itself, a blank, nothing, or the hollow square."""
    if char.isspace() or unicodedata.category(char) == "Cc":
        return " "
    if not _visible(char):
        return char if face_for(char) else ""
    return char if face_for(char) else MISSING


def _runs_right(text: str) -> bool:
    """Whether the first letter with a direction runs from left to right. The hollow square has no direction."""
    strong = (unicodedata.bidirectional(char) for char in text)
    return next((kind == "L" for kind in strong if kind in {"L", "R", "AL"}), True)


def _visible(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Mn", "Me"}


def joins(char: str) -> bool:
    """Whether the character belongs to the one before it: a mark, or a format character such as a joiner."""
    return unicodedata.category(char) in {"Mn", "Me", "Mc", "Cf"}


def _has(char: str) -> bool:
    return ord(char) in _characters(font_path(bold=False)) and ord(char) in _characters(font_path(bold=True))


@lru_cache(maxsize=32)
def _characters(path: str) -> frozenset[int]:
    return frozenset(get_font((path,)).get_charmap())
