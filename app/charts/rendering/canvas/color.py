"""Colours with contrast and mixing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

_SHORT: Final = 3


class Rgba(NamedTuple):
    """A colour: sRGB with straight alpha; red, green and blue 0-255, alpha 0-1."""

    red: int
    green: int
    blue: int
    alpha: float = 1.0

    def faded(self, alpha: float) -> Rgba:
        """The same colour at another opacity."""
        return self._replace(alpha=alpha)

    def over(self, ground: Rgba) -> Rgba:
        """The opaque colour that results from blending this one onto `ground`."""
        share = self.alpha
        mixed = (round(top * share + below * (1 - share)) for top, below in zip(self[:3], ground[:3], strict=True))
        return Rgba(*mixed)

    def contrast(self, other: Rgba) -> float:
        """Contrast ratio of two opaque colours, 1 to 21 (WCAG 2.2, "contrast ratio")."""
        return _contrast(self, other)

    @property
    def luminance(self) -> float:
        """Relative luminance, 0 for black to 1 for white (WCAG 2.2, "relative luminance")."""
        red, green, blue = (_linear(part / 255) for part in self[:3])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    def ink(self) -> Rgba:
        """The colour for text on this one: white or INK, whichever has the higher contrast.

        Black replaces INK where INK lacks TEXT_CONTRAST. White or black always reaches it.
        """
        return _ink(self)

    def readable_on(self, background: Rgba, ratio: float) -> Rgba:
        """This colour, mixed with the least black or white that gives a contrast of `ratio` to `background`."""
        return _readable(self, background, ratio)

    def faint_on(self, background: Rgba, share: float, ratio: float) -> Rgba:
        """This colour blended onto `background` at the lowest opacity from `share` on that has the contrast `ratio`.

        Where the opaque colour lacks the contrast, it is mixed with black or white as in `readable_on`.
        """
        return _faint(self, background, share, ratio)

    @property
    def unit(self) -> tuple[float, float, float, float]:
        """Red, green, blue and alpha, each 0-1."""
        return (self.red / 255, self.green / 255, self.blue / 255, self.alpha)

    @property
    def hex(self) -> str:
        """#rrggbb, without the alpha."""
        return f"#{self.red:02x}{self.green:02x}{self.blue:02x}"


WHITE: Final = Rgba(255, 255, 255)
BLACK: Final = Rgba(0, 0, 0)
INK: Final = Rgba(19, 23, 34)
TEXT_CONTRAST: Final = 4.5
MARK_CONTRAST: Final = 3.0
_LINEAR_END: Final = 0.04045  # upper end of sRGB's linear part
_STEPS: Final = 64


def parse(text: str) -> Rgba:
    """A colour from `#rgb` or `#rrggbb`; ValueError for anything else."""
    digits = text.removeprefix("#")
    if len(digits) == _SHORT:
        digits = "".join(digit * 2 for digit in digits)
    if not text.startswith("#") or len(digits) != 2 * _SHORT:
        raise ValueError(f"{text!r} is no colour of the form #rgb or #rrggbb")
    red, green, blue = bytes.fromhex(digits)
    return Rgba(red, green, blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= _LINEAR_END else math.pow((part + 0.055) / 1.055, 2.4)


@lru_cache(maxsize=1024)
def _contrast(one: Rgba, other: Rgba) -> float:
    lighter, darker = sorted((one.luminance, other.luminance), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@lru_cache(maxsize=256)
def _ink(color: Rgba) -> Rgba:
    dark = INK if color.contrast(INK) >= TEXT_CONTRAST else BLACK
    return max(WHITE, dark, key=color.contrast)


@lru_cache(maxsize=1024)
def _readable(color: Rgba, background: Rgba, ratio: float) -> Rgba:
    return next(mixed for mixed in _toward(color, background.ink()) if mixed.contrast(background) >= ratio)


@lru_cache(maxsize=1024)
def _faint(color: Rgba, background: Rgba, share: float, ratio: float) -> Rgba:
    steps = (share + (1 - share) * step / _STEPS for step in range(_STEPS + 1))
    mixed = (color.faded(opacity).over(background) for opacity in steps)
    return next((one for one in mixed if one.contrast(background) >= ratio), color.readable_on(background, ratio))


def _toward(color: Rgba, end: Rgba) -> Iterator[Rgba]:
    """The colour in even steps to black or to white."""
    extreme = WHITE if end == WHITE else BLACK
    return (extreme.faded(step / _STEPS).over(color) for step in range(_STEPS + 1))
