"""The PNG encoder, tuned for charts (large flat areas, sharp edges): one filter for all rows and a fast deflate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.charts.rendering.canvas.png_format import RGBA, fast_zlib, png_file

_FILTER_UP: Final = 2
_LEVEL: Final = 2
_MEMORY: Final = 9  # the largest buffer of symbols, so that fewer blocks with their own codes are begun
_STRIPE: Final = 128


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of `pixels`, shape (height, width, 4), C-contiguous RGBA.

    Every row is filtered with Up (PNG specification, section 9): in a chart a row mostly equals the one above, so the
    filtered bytes are nearly all zeros.
    """
    height, width, _ = pixels.shape
    return png_file(width, height, RGBA, b"".join(_deflated(pixels.reshape(height, width * 4))))


def _deflated(rows: NDArray[np.uint8]) -> Iterator[bytes]:
    """Filter and compress the rows in stripes that fit into the processor's cache."""
    height, length = rows.shape
    deflate = fast_zlib.compressobj(_LEVEL, memLevel=_MEMORY)
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
