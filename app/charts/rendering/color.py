"""Colours as the engine passes them around, and the little arithmetic themes need."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

_SHORT: Final = 3


class Color(NamedTuple):
    """sRGB with straight alpha; red, green and blue 0-255, alpha 0-1."""

    red: int
    green: int
    blue: int
    alpha: float = 1.0

    def faded(self, alpha: float) -> Color:
        """The same colour at another opacity."""
        return self._replace(alpha=alpha)

    def over(self, ground: Color) -> Color:
        """The opaque colour an eye sees where this one lies on `ground`."""
        share = self.alpha
        mixed = (round(top * share + below * (1 - share)) for top, below in zip(self[:3], ground[:3], strict=True))
        return Color(*mixed)

    def ink(self) -> Color:
        """Black or white, whichever reads better on this colour (WCAG 2 relative luminance)."""
        return WHITE if _luminance(self) < _READS_WHITE else BLACK

    @property
    def unit(self) -> tuple[float, float, float, float]:
        """Red, green, blue and alpha, each 0-1."""
        return (self.red / 255, self.green / 255, self.blue / 255, self.alpha)

    @property
    def hex(self) -> str:
        """#rrggbb, without the alpha."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


WHITE: Final = Color(255, 255, 255)
BLACK: Final = Color(19, 23, 34)
_READS_WHITE: Final = 0.42


def parse(text: str) -> Color:
    """A colour from `#rgb` or `#rrggbb`; ValueError for anything else."""
    digits = text.removeprefix("#")
    if len(digits) == _SHORT:
        digits = "".join(digit * 2 for digit in digits)
    if not text.startswith("#") or len(digits) != 2 * _SHORT:
        raise ValueError(f"{text!r} is no colour of the form #rgb or #rrggbb")
    red, green, blue = bytes.fromhex(digits)
    return Color(red, green, blue)


def _luminance(color: Color) -> float:
    red, green, blue = (math.pow(part / 255, 2.2) for part in color[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
