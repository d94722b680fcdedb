"""The PNG writer, tuned for charts (large flat areas, sharp edges): one filter for all rows and a fast deflate."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

try:
    from zlib_ng import zlib_ng as _fast
except ImportError:
    _zlib: ModuleType = zlib
else:
    _zlib = _fast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from numpy.typing import NDArray

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_RGBA: Final = (8, 6, 0, 0, 0)
_FILTER_UP: Final = 2
_LEVEL: Final = 2
_MEMORY: Final = 9  # the largest buffer of symbols, so that fewer blocks with their own codes are begun
_STRIPE: Final = 128


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of `pixels`, shape (height, width, 4), C-contiguous RGBA.

    Every row is filtered with Up (PNG specification, section 9): in a chart a row mostly repeats the one above, so what
    is left for deflate is nearly all zeros.
    """
    height, width, _ = pixels.shape
    header = struct.pack(">2I5B", width, height, *_RGBA)
    body = b"".join(_deflated(pixels.reshape(height, width * 4)))
    return b"".join((_SIGNATURE, *_chunk(b"IHDR", header), *_chunk(b"IDAT", body), *_chunk(b"IEND", b"")))


def _deflated(rows: NDArray[np.uint8]) -> Iterator[bytes]:
    """The filtered rows compressed, a few at a time: they stay in the processor's cache on the way."""
    height, length = rows.shape
    deflate = _zlib.compressobj(_LEVEL, memLevel=_MEMORY)
    filtered = np.empty((min(_STRIPE, height), length + 1), np.uint8)
    filtered[:, 0] = _FILTER_UP
    filtered[0, 1:] = rows[0]
    yield deflate.compress(filtered[:1])
    for top in range(1, height, _STRIPE):
        bottom = min(top + _STRIPE, height)
        stripe = filtered[: bottom - top]
        np.subtract(rows[top:bottom], rows[top - 1 : bottom - 1], out=stripe[:, 1:])
        yield deflate.compress(stripe)
    yield deflate.flush()


def _chunk(name: bytes, body: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    checksum = _zlib.crc32(body, zlib.crc32(name))
    return struct.pack(">I", len(body)), name, body, struct.pack(">I", checksum)
