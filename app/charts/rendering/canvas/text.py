"""Lines of text: their widths and their masks, composed from glyphs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from app.charts.rendering.canvas.base import Font
from app.charts.rendering.canvas.fallback_text import is_plain, joins, shaped
from app.charts.rendering.canvas.font_faces import use_folders
from app.charts.rendering.canvas.fonts import Mask, glyph, kerning

_CAP_HEIGHT: Final = 0.729
_GUESSES: Final = 5
_JOINER: Final = "\N{ZERO WIDTH JOINER}"
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def use_fonts(folders: Sequence[Path]) -> list[str]:
    """Use the fonts of these folders for characters that DejaVu lacks. Returns the files that are no scalable fonts."""
    unreadable = use_folders(folders)
    for cached in (width, mask, outline, fit):
        cached.cache_clear()
    return unreadable


def cap_height(font: Font) -> int:
    """Height of capitals and digits in pixels."""
    return round(_CAP_HEIGHT * font.size)


@lru_cache(maxsize=1024)
def width(text: str, font: Font) -> int:
    """Width of the text in pixels."""
    return _starts(text, font)[-1] if is_plain(text) else mask(text, font).advance


@lru_cache(maxsize=256)
def mask(text: str, font: Font) -> Mask:
    """The mask of one line of text."""
    if not is_plain(text):
        return shaped(text, font)
    starts = _starts(text, font)
    inked = [
        (start + shape.left, shape)
        for start, shape in zip(starts, (glyph(char, font) for char in text), strict=False)
        if shape.coverage.size
    ]
    if not inked:
        return Mask(np.zeros((0, 0), np.uint8), 0, 0, starts[-1])
    left, top = min(x for x, _ in inked), min(shape.top for _, shape in inked)
    right = max(x + shape.coverage.shape[1] for x, shape in inked)
    bottom = max(shape.top + shape.coverage.shape[0] for _, shape in inked)
    coverage = np.zeros((bottom - top, right - left), np.uint8)
    for x, shape in inked:
        height, across = shape.coverage.shape
        place = coverage[shape.top - top : shape.top - top + height, x - left : x - left + across]
        np.maximum(place, shape.coverage, out=place)
    return Mask(coverage, left, top, starts[-1])


@lru_cache(maxsize=128)
def outline(text: str, font: Font, reach: int) -> Mask:
    """The mask of a line of text, grown by `reach` pixels on every side, for a halo."""
    own = mask(text, font)
    if not own.coverage.size:
        return own
    rows, columns = own.coverage.shape
    spread = np.zeros((rows + 2 * reach, columns + 2 * reach), np.uint8)
    for down in range(2 * reach + 1):
        for across in range(2 * reach + 1):
            if (down - reach) ** 2 + (across - reach) ** 2 <= reach * reach + 1:
                place = spread[down : down + rows, across : across + columns]
                np.maximum(place, own.coverage, out=place)
    return Mask(spread, own.left - reach, own.top - reach, own.advance)


@lru_cache(maxsize=512)
def fit(text: str, font: Font, max_width: int) -> str:
    """The text, cut with an ellipsis where it is wider than `max_width` pixels."""
    count = _count_plain(text, font, max_width) if is_plain(text) else _count_shaped(text, font, max_width)
    return _cut(text, count)


def _count_plain(text: str, font: Font, max_width: int) -> int:
    if width(text, font) <= max_width:
        return len(text)
    low, high = 0, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if width(_cut(text, middle), font) <= max_width:
            low = middle
        else:
            high = middle - 1
    return low


def _count_shaped(text: str, font: Font, max_width: int) -> int:
    """How many characters fit, by at most 5 guesses: shaping takes 0.1 ms per character, too long for all of a text."""
    fitting, count = 0, min(len(text), 2 * max_width // font.size + 1)
    for _ in range(_GUESSES):
        count = _whole(text, count)
        needed = width(_cut(text, count), font)
        if needed <= max_width:
            fitting = max(fitting, count)
            guess = min(len(text), count * max_width // max(needed, 1))
            if guess <= count:
                break
        else:
            guess = min(count * max_width // needed, count - 1)
        if guess <= fitting:
            break
        count = guess
    return fitting


def _whole(text: str, count: int) -> int:
    """The largest number up to `count` at which the text can be cut without separating marks or joined emoji."""
    while 0 < count < len(text) and (joins(text[count]) or text[count - 1] == _JOINER):
        count -= 1
    return count


def _cut(text: str, count: int) -> str:
    if count == len(text):
        return text
    return text[:count].rstrip() + _ELLIPSIS if count else ""


def _starts(text: str, font: Font) -> list[int]:
    """The pixel at which each glyph begins, and the end of the line."""
    starts, x = [0], 0
    for char, following in zip(text, (*text[1:], " "), strict=False):
        x += glyph(char, font).advance + kerning(char, following, font)
        starts.append(x)
    return starts
