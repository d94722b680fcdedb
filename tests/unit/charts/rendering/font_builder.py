"""Small fonts made for tests: every glyph is a box, so that its width tells which glyph was drawn, and where.

No font of others is needed, and the tests draw the same on every machine.
"""

from __future__ import annotations

from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

EM = 1000


def build_font(
    path: Path, widths: dict[str, int], *, family: str = "Boxes", style: str = "Regular", features: str = ""
) -> Path:
    """Write a TrueType font: for each character a box of so many thousandths of an em.

    Glyphs are named u05D0 and so on; keys longer than one character are glyphs without a character, for `features`.
    """
    names = {key: f"u{ord(key):04X}" if len(key) == 1 else key for key in widths}
    glyphs = {".notdef": _box(500), **{names[key]: _box(width) for key, width in widths.items()}}
    builder = FontBuilder(EM, isTTF=True)
    builder.setupGlyphOrder(list(glyphs))
    builder.setupCharacterMap({ord(key): name for key, name in names.items() if len(key) == 1})
    builder.setupGlyf(glyphs)
    advances = {".notdef": 500, **{names[key]: width for key, width in widths.items()}}
    builder.setupHorizontalMetrics({name: (width, 0) for name, width in advances.items()})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": style})
    builder.setupOS2()
    builder.setupPost()
    if features:
        builder.addOpenTypeFeatures(features)
    builder.save(path)
    return path


def _box(width: int):
    """A filled box from the baseline to 700, with a margin of 50 at either side; nothing where it would be empty."""
    pen = TTGlyphPen(None)
    if width > 100:
        pen.moveTo((50, 0))
        for corner in ((50, 700), (width - 50, 700), (width - 50, 0)):
            pen.lineTo(corner)
        pen.closePath()
    return pen.glyph()
