"""One plot: a box of the picture with its two scales, and what everything drawn in it needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.plotting.scales import BarWidths, bar_widths

if TYPE_CHECKING:
    from app.charts.rendering.canvas.base import Canvas, Floats
    from app.charts.rendering.canvas.color import Color
    from app.charts.rendering.plotting.price_data import PriceData
    from app.charts.rendering.plotting.scales import IndexScale, ValueScale
    from app.charts.rendering.plotting.sizes import Sizes
    from app.charts.rendering.plotting.theme import Theme

LINE_WIDTH = 1.5


@dataclass(frozen=True, slots=True)
class Plot:
    """Where one series of values is drawn."""

    canvas: Canvas
    box: Box
    x: IndexScale
    y: ValueScale
    theme: Theme
    sizes: Sizes
    data: PriceData
    lines: list[Floats] = field(default_factory=list)
    """Pixel heights of the lines drawn so far, one value per shown bar: labels look for places without them."""

    def line(self, values: Floats, color: Color, width: float = LINE_WIDTH, dash: tuple[float, ...] = ()) -> None:
        """A line through one value per shown bar; `width` and `dash` in design pixels."""
        unit = self.sizes.unit
        pattern = tuple(length * unit for length in dash)
        heights = self.y.y(values)
        self.lines.append(heights)
        self.canvas.line(self.x.centers(), heights, color, width * unit, self.box, pattern)

    def band(self, upper: Floats, lower: Floats, color: Color) -> None:
        """The area between two lines."""
        self.canvas.area(self.x.centers(), self.y.y(upper), self.y.y(lower), color, self.box)

    def level(self, value: float, color: Color, dash: tuple[float, ...] = ()) -> None:
        """A horizontal hairline across the plot, sharp; nothing when it lies outside."""
        if self.y.shows(value):
            self.level_between(value, self.box.left, self.box.right, color, dash)

    def level_between(self, value: float, left: int, right: int, color: Color, dash: tuple[float, ...] = ()) -> None:
        """A horizontal hairline from one pixel to another."""
        hairline = self.sizes.hairline
        top = round(self.y.at(value) - hairline / 2)
        box = Box(left, top, right, top + hairline).clipped(self.box)
        if dash:
            on, off = (self.sizes.px(length) for length in dash)
            self.canvas.dashes(box, on, off, color)
        else:
            self.canvas.box(box, color)

    def widths(self) -> BarWidths:
        """Body and wick of this plot's bars."""
        return bar_widths(self.x.slot, self.sizes.hairline)
