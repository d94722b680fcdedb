"""The PNG file format: signature, header and chunks (PNG specification, section 5). Needs no library that draws."""

from __future__ import annotations

import struct
import zlib
from types import ModuleType
from typing import Final

try:
    from zlib_ng import zlib_ng as _zlib_ng
except ImportError:
    fast_zlib: ModuleType = zlib
else:
    fast_zlib = _zlib_ng


GREYSCALE: Final = 0
RGBA: Final = 6
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_BIT_DEPTH: Final = 8


def png_file(width: int, height: int, color_type: int, compressed: bytes) -> bytes:
    """A PNG of 8 bits a channel around `compressed`: a zlib stream of rows, each after its filter byte.

    `color_type` is GREYSCALE (1 byte a pixel) or RGBA (4 bytes a pixel).
    """
    header = struct.pack(">2I5B", width, height, _BIT_DEPTH, color_type, 0, 0, 0)
    chunks = (*_chunk(b"IHDR", header), *_chunk(b"IDAT", compressed), *_chunk(b"IEND", b""))
    return b"".join((_SIGNATURE, *chunks))


def _chunk(name: bytes, body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    checksum = fast_zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)), name, body, struct.pack(">I", checksum)
