"""Glyphs of DejaVu Sans as masks.

Glyphs are cached, not labels: labels differ from chart to chart, but consist of the same glyphs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import ImageFont

from app.charts.rendering.canvas.base import Font

_FACES: Final = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
_UNKERNED: Final = frozenset("0123456789.,:+-%() ")


class Mask(NamedTuple):
    """Coverage of a text, shape (rows, columns), 0-255, and its position.

    `left` and `top` count from the start of the baseline, y down. `advance` is its width in a line, in pixels.
    """

    coverage: NDArray[np.uint8]
    left: int
    top: int
    advance: int


@lru_cache(maxsize=2048)
def glyph(char: str, font: Font) -> Mask:
    """One character as DejaVu draws it."""
    face = _face(font)
    core, (left, top) = face.getmask2(char, "L", anchor="ls")
    columns, rows = core.size
    coverage = np.frombuffer(bytes(core), np.uint8).reshape(rows, columns)
    return Mask(coverage, left, top, round(face.getlength(char)))


def kerning(char: str, following: str, font: Font) -> int:
    """Pixels to move two neighbours together (negative) or apart."""
    if char in _UNKERNED or following in _UNKERNED:
        return 0
    return _kerning(char + following, font)


@lru_cache(maxsize=2)
def font_path(*, bold: bool) -> str:
    """The path of DejaVu Sans in matplotlib's data; matplotlib's font manager is not loaded for it."""
    return str(Path(mpl.get_data_path(), "fonts", "ttf", _FACES[bold]))


@lru_cache(maxsize=4096)
def _kerning(pair: str, font: Font) -> int:
    face = _face(font)
    return round(face.getlength(pair) - face.getlength(pair[0]) - face.getlength(pair[1]))


@lru_cache(maxsize=32)
def _face(font: Font) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_path(bold=font.bold), font.size, layout_engine=ImageFont.Layout.BASIC)
