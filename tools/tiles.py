"""Sheets of images: scaled-down tiles with captions, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

_BACKGROUND, _TEXT = "#c9cdd6", "#131722"
_GAP: Final = 16
_CAPTION_HEIGHT: Final = 22


def tile_sheet(images: Sequence[tuple[str, bytes]], tile: tuple[int, int], columns: int) -> Pillow.Image:
    """One image with all `images`, each a caption and a PNG, scaled to fit into `tile` (width, height in pixels)."""
    across, down = tile[0] + _GAP, tile[1] + _CAPTION_HEIGHT + _GAP
    sheet = Pillow.new("RGB", (columns * across + _GAP, -(-len(images) // columns) * down + _GAP), _BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_CAPTION_HEIGHT * 0.6)
    for place, (caption, png) in enumerate(images):
        small = Pillow.open(BytesIO(png)).convert("RGB")
        small.thumbnail(tile, Pillow.Resampling.LANCZOS)
        row, column = divmod(place, columns)
        left, top = _GAP + column * across, _GAP + row * down
        pen.text((left, top + _CAPTION_HEIGHT / 2), caption, _TEXT, font, anchor="lm")
        sheet.paste(small, (left, top + _CAPTION_HEIGHT))
    return sheet
