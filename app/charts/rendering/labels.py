"""Names on the plot (signals, lines, zones): each takes the first of its places that is free, or is left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.charts.rendering.canvas import Box
from app.charts.rendering.text import cap_height, width

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.charts.rendering.color import Color
    from app.charts.rendering.plot import Plot

_MARGIN: Final = 2
_VEIL: Final = 0.8


@dataclass(slots=True)
class Labels:
    """The labels of one plot. `taken` are the boxes no label may touch."""

    plot: Plot
    taken: list[Box] = field(default_factory=list)

    def size(self, text: str) -> tuple[int, int]:
        """Width and height of a label with its margin, in pixels."""
        metrics = self.plot.metrics
        margin = 2 * metrics.px(_MARGIN)
        return width(text, metrics.label) + margin, cap_height(metrics.label) + margin

    def write(self, text: str, color: Color, corners: Iterable[tuple[float, float]]) -> None:
        """Write on a veil of the background at the first of the upper left corners where nothing else is."""
        if not text:
            return
        across, down = self.size(text)
        for left, top in corners:
            box = Box(round(left), round(top), round(left) + across, round(top) + down)
            if box.clipped(self.plot.box) == box and not any(box.overlaps(other) for other in self.taken):
                self._draw(text, color, box)
                return

    def _draw(self, text: str, color: Color, box: Box) -> None:
        plot, margin = self.plot, self.plot.metrics.px(_MARGIN)
        self.taken.append(box)
        plot.canvas.box(box, plot.theme.background.faded(_VEIL))
        plot.canvas.text(box.left + margin, box.bottom - margin, text, plot.metrics.label, color)
