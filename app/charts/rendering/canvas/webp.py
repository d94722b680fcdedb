"""The WebP encoder. It is lossless: lossy compression blurs lines and letters."""

from __future__ import annotations

from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_METHOD: Final = 1
_EFFORT: Final = 20


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """A lossless WebP of `pixels`, shape (height, width, 4), RGBA."""
    height, width, _ = pixels.shape
    buffer = BytesIO()
    picture = Image.frombuffer("RGBA", (width, height), pixels, "raw", "RGBA", 0, 1)
    picture.convert("RGB").save(buffer, "WEBP", lossless=True, quality=_EFFORT, method=_METHOD)
    return buffer.getvalue()
