"""Sizes of letters, lines and margins for an image of a given size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from app.charts.domain import ChartSpec
from app.charts.rendering.canvas.base import Font

_NORMAL: Final = (1200, 675)
_SMALL: Final = (480, 300)
_SMALL_SHARE: Final = 0.9
_GROWTH: Final = 0.6
_LABEL, _TITLE = 11, 14
_HAIRLINE: Final = 0.95


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes in pixels of the image. `unit` is the size of a design pixel: the spec's scale, larger on large images.

    `hairline` is the width of the thinnest line. `label` is the font of axes and legends, `strong` that of major time
    labels, `title` that of the title.
    """

    width: int
    height: int
    unit: float
    hairline: int
    label: Font
    strong: Font
    title: Font

    def px(self, design: float) -> int:
        """A length in design pixels as a whole number of image pixels, at least one."""
        return round(design * self.unit) or 1


def sizes_of(spec: ChartSpec) -> Sizes:
    """Sizes for the spec's image: the same design at every scale, larger above 1200x675 (with the power 0.6)."""
    growth = min(spec.width / _NORMAL[0], spec.height / _NORMAL[1])
    if growth > 1:
        unit = growth**_GROWTH
    else:
        unit = 1.0 if spec.width >= _SMALL[0] and spec.height >= _SMALL[1] else _SMALL_SHARE
    unit *= spec.scale
    label, title = max(1, round(_LABEL * unit)), max(1, round(_TITLE * unit))
    return Sizes(
        spec.width * spec.scale,
        spec.height * spec.scale,
        unit,
        max(1, round(unit * _HAIRLINE)),
        Font(label),
        Font(label, bold=True),
        Font(title, bold=True),
    )
