"""Labels inside a plot (of signals, lines and zones): each is written at the first free position, or left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np

from app.charts.rendering.canvas.base import Box, Floats
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.text import cap_height, fit, width
from app.charts.rendering.plotting.plot import Plot

_MARGIN: Final = 2
_WIDTH_SHARE: Final = 0.5
_NEAR_ROWS: Final = (-1, 1, -2, 2)
_MAX_LENGTH: Final = 60
_MIN_LENGTH: Final = 5  # characters of a cut text; fewer cannot be understood
_QUOTED_LENGTH: Final = 40
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


@dataclass(slots=True)
class Labels:
    """The labels of one plot. A label never overlaps the boxes in `occupied`; it avoids those in `lines` if it can.

    A text longer than 60 characters or wider than half of the plot is cut. Cut and missing labels are named in the
    canvas's `left_out`.
    """

    plot: Plot
    occupied: list[Box] = field(default_factory=list)
    lines: list[Box] = field(default_factory=list)
    _heights: tuple[tuple[Floats, ...], Floats] | None = None

    def size(self, text: str) -> tuple[int, int]:
        """Width and height of a label with its margin, in pixels."""
        sizes = self.plot.sizes
        margin = 2 * sizes.px(_MARGIN)
        return width(self._cut(text), sizes.label) + margin, cap_height(sizes.label) + margin

    def write(self, text: str, color: Rgba, corners: Iterable[tuple[float, float]]) -> None:
        """Write the text at one of the upper left `corners`, or up to two rows above or below one.

        The first position that is free of labels, bars and lines is used, else the first that is free of labels. Over
        bars and lines a halo around the glyphs keeps the text readable.
        """
        if not text:
            return
        across, down = self.size(text)
        boxes = [Box(round(left), round(top), round(left) + across, round(top) + down) for left, top in corners]
        free = [box for box in boxes if self._is_free(box)]
        shown = self._cut(text)
        if not free or not shown:
            self.plot.canvas.left_out.append(f"the label {_quoted(text)}")
            return
        if shown != text:
            self.plot.canvas.left_out.append(f"the end of the label {_quoted(text)}")
        clear = (box for box in chain(free, self._near(free, down)) if self._is_clear(box))
        self._draw(shown, color, next(clear, free[0]))

    def _near(self, boxes: Sequence[Box], step: int) -> Iterator[Box]:
        """Free boxes one and two rows above and below the given ones, the nearer ones first."""
        for rows in _NEAR_ROWS:
            for box in boxes:
                moved = box._replace(top=box.top + rows * step, bottom=box.bottom + rows * step)
                if self._is_free(moved):
                    yield moved

    def _cut(self, text: str) -> str:
        short = text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1].rstrip() + _ELLIPSIS
        shown = fit(short, self.plot.sizes.label, int(self.plot.box.width * _WIDTH_SHARE))
        return shown if shown == text or len(shown) >= _MIN_LENGTH else ""

    def _is_free(self, box: Box) -> bool:
        return box.clipped(self.plot.box) == box and not any(box.overlaps(other) for other in self.occupied)

    def _is_clear(self, box: Box) -> bool:
        return not any(box.overlaps(line) for line in self.lines) and not self._covers_series(box)

    def _covers_series(self, box: Box) -> bool:
        """Whether a bar, the line through the closes or another line of the plot crosses the box."""
        plot, data = self.plot, self.plot.data
        if self._heights is None:
            bars: tuple[Floats, ...] = () if data.closes_only else (plot.y.y(data.highs), plot.y.y(data.lows))
            lines = np.array(plot.lines) if plot.lines else np.empty((0, len(data.lows)))
            self._heights = bars, lines
        bar_ends, lines = self._heights
        first = max(int((box.left - plot.x.left) / plot.x.slot), 0)
        last = int((box.right - plot.x.left) / plot.x.slot) + 1
        if bar_ends:
            tops, bottoms = (ends[first:last] for ends in bar_ends)
            if ((tops < box.bottom) & (bottoms > box.top)).any():
                return True
        # A line between the bars on both sides of the box also crosses it.
        around = lines[:, max(first - 1, 0) : last + 1]
        if not around.size:
            return False
        return bool(((np.fmin.reduce(around, 1) < box.bottom) & (np.fmax.reduce(around, 1) > box.top)).any())

    def _draw(self, text: str, color: Rgba, box: Box) -> None:
        plot, margin = self.plot, self.plot.sizes.px(_MARGIN)
        self.occupied.append(box)
        ink = plot.theme.text_in(color)
        left, baseline = box.left + margin, box.bottom - margin
        plot.canvas.text(left, baseline, text, plot.sizes.label, ink, halo=plot.sizes.hairline)


def _quoted(text: str) -> str:
    shown = text if len(text) <= _QUOTED_LENGTH else text[: _QUOTED_LENGTH - 1].rstrip() + _ELLIPSIS
    return f'"{shown}"'
