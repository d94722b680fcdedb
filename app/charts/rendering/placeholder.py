"""A plain grey PNG for a process in which matplotlib or Pillow cannot be imported. Needs no library that draws."""

from __future__ import annotations

import zlib
from typing import Final

from app.charts.rendering.canvas.png_format import GREYSCALE, png_file

_BACKGROUND: Final = b"\xf2"
_FRAME: Final = b"\xd9"
_NO_FILTER: Final = b"\x00"


def placeholder(width: int, height: int) -> bytes:
    """A grey rectangle with a frame of one pixel: an 8-bit greyscale PNG, `width` by `height` pixels."""
    edge = _NO_FILTER + _FRAME * width
    row = _NO_FILTER + (_FRAME + _BACKGROUND * (width - 2) + _FRAME if width > 1 else _FRAME)
    rows = edge + row * (height - 2) + edge if height > 1 else edge
    return png_file(width, height, GREYSCALE, zlib.compress(rows))
