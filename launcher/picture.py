"""Whether bytes are a whole PNG with something on it. A file that merely exists proves no chart."""

from __future__ import annotations

import io
import struct
from typing import Final

from PIL import Image

from launcher.refusal import Refusal

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
HEADER: Final = struct.Struct(">4x4sII")
FEWEST_COLOURS: Final = 8
MOST_COLOURS: Final = 1 << 24


def check(png: bytes, width: int, height: int) -> None:
    """Raises Refusal unless the bytes decode to a picture of that size in more than a few colours."""
    if not png.startswith(SIGNATURE):
        raise Refusal(f"the chart is no PNG: it starts with {png[:8]!r}")
    kind, wide, high = HEADER.unpack_from(png, len(SIGNATURE))
    if kind != b"IHDR" or (wide, high) != (width, height):
        raise Refusal(f"the chart is {wide} x {high} pixels, not {width} x {height}")
    try:
        with Image.open(io.BytesIO(png)) as image:
            colours = image.convert("RGB").getcolors(MOST_COLOURS)
    except (OSError, SyntaxError) as error:
        raise Refusal(f"the chart does not decode: {error}") from error
    if colours is not None and len(colours) < FEWEST_COLOURS:
        raise Refusal(f"the chart shows nothing: {len(colours)} colours")
