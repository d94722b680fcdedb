"""The drawing calls that all parts of a chart use. Two canvases implement them: raster (PNG, WebP) and SVG.

Coordinates are real pixels, x to the right and y down, counted from the top left corner of the picture. Boxes and bars
lie on whole pixels, so their edges are sharp; lines, areas and shapes are antialiased.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.charts.rendering.canvas.color import Rgba

Floats = NDArray[np.float64]
Pixels = NDArray[np.int64]
Flags = NDArray[np.bool_]

Align = Literal["left", "center", "right"]
Point = tuple[float, float]


class Box(NamedTuple):
    """A rectangle on whole pixels; `right` and `bottom` are the first pixels outside."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Pixels down."""
        return self.bottom - self.top

    def overlaps(self, other: Box) -> bool:
        """Whether the boxes have a pixel in common."""
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def grown(self, by: int) -> Box:
        """The box with `by` more pixels on every side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def clipped(self, other: Box) -> Box:
        """The part inside `other`; empty (no width or height) when there is none."""
        left, top = max(self.left, other.left), max(self.top, other.top)
        return Box(left, top, max(left, min(self.right, other.right)), max(top, min(self.bottom, other.bottom)))


class Font(NamedTuple):
    """DejaVu Sans at `size` real pixels to the em."""

    size: int
    bold: bool = False


class Canvas(Protocol):
    """The target of drawing calls. `left_out` has the names of parts that did not fit, for the chart's warnings."""

    background: Rgba
    left_out: list[str]

    def box(self, box: Box, color: Rgba) -> None:
        """Fill one rectangle."""

    def translucent_boxes(self, boxes: Sequence[tuple[Box, Rgba]]) -> None:
        """Fill translucent rectangles that may overlap."""

    def bars(self, left: Pixels, top: Pixels, right: Pixels, bottom: Pixels, color: Rgba) -> None:
        """Fill many rectangles of one colour; four arrays of one length, edges as in Box."""

    def line(self, x: Floats, y: Floats, color: Rgba, width: float, clip: Box, dash: tuple[float, ...] = ()) -> None:
        """Stroke a line through the points; a NaN interrupts it. `dash` is lengths on and off in pixels."""

    def dashes(self, box: Box, on: int, off: int, color: Rgba) -> None:
        """Fill a box with dashes, from its left edge on: `on` pixels drawn, `off` left free."""

    def area(self, x: Floats, upper: Floats, lower: Floats, color: Rgba, clip: Box) -> None:
        """Fill between two lines over the same x; points with a NaN are left out."""

    def shade(self, x: Floats, y: Floats, bottom: int, color: Rgba, clip: Box) -> None:
        """Fill from a line down to `bottom`, the colour fading out on the way."""

    def shapes(self, polygons: Sequence[Sequence[Point]], color: Rgba, clip: Box) -> None:
        """Fill closed polygons of one colour."""

    def rounded_box(self, box: Box, radius: float, color: Rgba) -> None:
        """Fill a rectangle with rounded corners."""

    def text(
        self, x: float, baseline: float, text: str, font: Font, color: Rgba, align: Align = "left", halo: int = 0
    ) -> None:
        """Write one line of text; `x` is its left end, middle or right end as `align` says.

        `halo` is how many pixels around the glyphs are filled with the background.
        """
