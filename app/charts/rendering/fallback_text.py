"""Text that is more than a row of DejaVu glyphs: joined and right-to-left scripts, and scripts DejaVu lacks.

matplotlib's own text engine shapes and orders it, with a font of this machine that has the glyphs. A character no font
has becomes a hollow square, and the chart says so.
"""

from __future__ import annotations

import math
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.font_manager import fontManager, get_font

from app.charts.rendering.fonts import Mask, font_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.charts.rendering.canvas import Font

MISSING: Final = "\N{WHITE SQUARE}"
_LEFT_TO_RIGHT: Final = "\N{LEFT-TO-RIGHT MARK}"
_PIXELS_PER_POINT_DPI: Final = 72
_PER_PIXEL: Final = 64
_JOINED: Final = range(0x0590, 0x1E00)
_FAMILIES: Final = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans SC",
    "Noto Sans JP",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "WenQuanYi Micro Hei",
    "Droid Sans Fallback",
    "Microsoft YaHei",
    "Hiragino Sans",
    "PingFang SC",
    "Arial Unicode MS",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Noto Sans Hebrew",
    "Noto Sans Arabic",
    "Noto Emoji",
    "Symbola",
    "Unifont",
    "STIXGeneral",
)


def is_plain(text: str) -> bool:
    """Whether a row of DejaVu glyphs writes it: left to right, one glyph a character, none of them missing."""
    if text.isascii():
        return text.isprintable()
    return all(char.isprintable() and ord(char) not in _JOINED and not _joins(char) and _has(char) for char in text)


def missing(texts: Iterable[str]) -> list[str]:
    """The visible characters that no font of this machine has, each once."""
    characters = {char for text in texts if not text.isascii() for char in text}
    return sorted(char for char in characters if _visible(char) and not _fonts_with(char))


def shaped(text: str, font: Font) -> Mask:
    """The mask of a text that is not plain."""
    shown = "".join(_shown(char) for char in text).strip()
    if not shown:
        return Mask(np.zeros((0, 0), np.uint8), 0, 0, 0)
    if _runs_right(text):
        shown = _LEFT_TO_RIGHT + shown
    paths = dict.fromkeys(path for char in shown for path in _fonts_with(char)[:1])
    face = get_font((font_path(bold=font.bold), *paths))
    face.set_size(font.size, _PIXELS_PER_POINT_DPI)
    face.set_text(shown, 0.0)
    face.draw_glyphs_to_bitmap(antialiased=True)
    coverage = np.array(face.get_image(), np.uint8)
    top = math.ceil(face.get_descent() / _PER_PIXEL) - coverage.shape[0]
    return Mask(coverage, 0, top, coverage.shape[1])


def _shown(char: str) -> str:
    """What stands for a character: itself, a blank, nothing, or the hollow square."""
    if char.isspace() or unicodedata.category(char) == "Cc":
        return " "
    if not _visible(char):
        return char if _fonts_with(char) else ""
    return char if _fonts_with(char) else MISSING


def _runs_right(text: str) -> bool:
    """Whether the first letter with a direction runs to the right; a square in its place would have none."""
    strong = (unicodedata.bidirectional(char) for char in text)
    return next((kind == "L" for kind in strong if kind in {"L", "R", "AL"}), True)


def _visible(char: str) -> bool:
    return not char.isspace() and unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Mn", "Me"}


def _joins(char: str) -> bool:
    return unicodedata.category(char) in {"Mn", "Me", "Mc", "Cf"}


def _has(char: str) -> bool:
    return ord(char) in _characters(font_path(bold=False)) and ord(char) in _characters(font_path(bold=True))


@lru_cache(maxsize=4096)
def _fonts_with(char: str) -> tuple[str, ...]:
    return tuple(path for path in _paths() if ord(char) in _characters(path))


@lru_cache(maxsize=1)
def _paths() -> tuple[str, ...]:
    """DejaVu first, then what this machine has of the well-known families, in their order."""
    installed: dict[str, str] = {}
    for entry in sorted(
        fontManager.ttflist, key=lambda entry: (entry.weight != "normal", str(entry.weight), entry.fname)
    ):
        installed.setdefault(entry.name, entry.fname)
    return (font_path(bold=False), *(installed[name] for name in _FAMILIES if name in installed))


@lru_cache(maxsize=32)
def _characters(path: str) -> frozenset[int]:
    return frozenset(get_font((path,)).get_charmap())
