"""A plain PNG of any size, for when nothing that draws can be imported. Standard library only."""

from __future__ import annotations

import struct
import zlib
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PAPER: Final = b"\xf2"
_INK: Final = b"\xd9"
_GREYSCALE: Final = (8, 0, 0, 0, 0)


def placeholder(width: int, height: int) -> bytes:
    """A grey sheet with a thin frame: a valid 8-bit greyscale PNG, `width` by `height` pixels."""
    edge = b"\x00" + _INK * width
    row = b"\x00" + (_INK + _PAPER * (width - 2) + _INK if width > 1 else _INK)
    rows = edge + row * (height - 2) + edge if height > 1 else edge
    header = struct.pack(">2I5B", width, height, *_GREYSCALE)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
