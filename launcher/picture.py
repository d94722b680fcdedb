"""Checks that bytes are a complete PNG that shows something."""

from __future__ import annotations

import io
import struct
from typing import Final

from PIL import Image

from launcher.refusal import Refusal

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER: Final = struct.Struct(">4x4sII")
MIN_COLOURS: Final = 8
MAX_COLOURS: Final = 1 << 24


def check(png: bytes, width: int, height: int) -> None:
    """Raises Refusal unless the bytes decode to an image of this size with at least MIN_COLOURS colours."""
    if not png.startswith(SIGNATURE):
        raise Refusal(f"the chart is not a PNG: it starts with {png[:8]!r}")
    kind, wide, high = HEADER.unpack_from(png, len(SIGNATURE))
    if kind != b"IHDR" or (wide, high) != (width, height):
        raise Refusal(f"the chart is {wide} x {high} pixels, not {width} x {height}")
    try:
        with Image.open(io.BytesIO(png)) as image:
            colours = image.convert("RGB").getcolors(MAX_COLOURS)
    except (OSError, SyntaxError) as error:
        raise Refusal(f"the chart does not decode: {error}") from error
    if colours is not None and len(colours) < MIN_COLOURS:
        raise Refusal(f"the chart shows nothing: {len(colours)} colours")
