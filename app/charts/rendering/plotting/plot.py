"""A plot: a box of the image with its two scales and the canvas, theme and data of its contents."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.charts.rendering.canvas.base import Box, Canvas, Floats
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.scales import BarWidths, IndexScale, ValueScale, bar_widths
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme

LINE_WIDTH = 1.5


@dataclass(frozen=True, slots=True)
class Plot:
    """The target for drawing one series of values in chart coordinates."""

    canvas: Canvas
    box: Box
    x: IndexScale
    y: ValueScale
    theme: Theme
    sizes: Sizes
    data: PriceData
    lines: list[Floats] = field(default_factory=list)
    """Pixel rows of the lines drawn so far, one array each with a value per shown bar: labels avoid them."""

    def line(self, values: Floats, color: Rgba, width: float = LINE_WIDTH, dash: tuple[float, ...] = ()) -> None:
        """Draw a line through one value per shown bar; `width` and `dash` are in design pixels."""
        unit = self.sizes.unit
        pattern = tuple(length * unit for length in dash)
        heights = self.y.y(values)
        self.lines.append(heights)
        self.canvas.line(self.x.centers(), heights, color, width * unit, self.box, pattern)

    def band(self, upper: Floats, lower: Floats, color: Rgba) -> None:
        """Fill the area between two lines."""
        self.canvas.area(self.x.centers(), self.y.y(upper), self.y.y(lower), color, self.box)

    def level(self, value: float, color: Rgba, dash: tuple[float, ...] = ()) -> None:
        """Draw a horizontal hairline across the plot, unless the value lies off the scale."""
        if self.y.shows(value):
            self.level_between(value, self.box.left, self.box.right, color, dash)

    def level_between(self, value: float, left: int, right: int, color: Rgba, dash: tuple[float, ...] = ()) -> None:
        """Draw a horizontal hairline between two pixel columns."""
        hairline = self.sizes.hairline
        top = round(self.y.at(value) - hairline / 2)
        box = Box(left, top, right, top + hairline).clipped(self.box)
        if dash:
            on, off = (self.sizes.px(length) for length in dash)
            self.canvas.dashes(box, on, off, color)
        else:
            self.canvas.box(box, color)

    def widths(self) -> BarWidths:
        """Widths of body and wick of this plot's bars."""
        return bar_widths(self.x.slot, self.sizes.hairline)
