"""What is drawn from the bars besides the bars: the common shape of overlays and panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import LINE_WIDTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.charts.rendering.canvas.base import Floats
    from app.charts.rendering.canvas.color import Color
    from app.charts.rendering.frame.legend import LegendEntry
    from app.charts.rendering.plotting.plot import Plot


@dataclass(frozen=True, slots=True)
class Study:
    """A computed series ready to draw. `low` and `high` are what its scale must hold (NaN: nothing).

    `draw` lies on the bars, `back` behind them.
    """

    legend: LegendEntry
    low: float
    high: float
    draw: Callable[[Plot], None] | None = None
    warning: str = ""
    back: Callable[[Plot], None] | None = None

    @property
    def name(self) -> str:
        """What the legend calls it: SMA 20."""
        return self.legend.spans[0][0]


@dataclass(frozen=True, slots=True)
class PanelStudy(Study):
    """A study with a plot of its own. `ticks` None lets the scale choose them, `text` None how they are written.

    `low_at_bottom` puts `low` on the bottom edge of the plot.
    """

    text: Callable[[float], str] | None = None
    ticks: tuple[float, ...] | None = None
    low_at_bottom: bool = False

    def label_format(self, ticks: Sequence[float]) -> Callable[[float], str]:
        """What writes the labels of the panel's axis."""
        return self.text or number_format.axis_formatter(ticks, 0)


def extent(*series: Floats) -> tuple[float, float]:
    """Lowest and highest value of several series; NaN when none is known."""
    known = np.concatenate([values[np.isfinite(values)] for values in series])
    return (float(known.min()), float(known.max())) if len(known) else (np.nan, np.nan)


def last_finite(values: Floats) -> float:
    """The last value that is not NaN, or NaN."""
    known = values[np.isfinite(values)]
    return float(known[-1]) if len(known) else np.nan


def too_few_bars(name: str, values: Floats) -> str:
    """The warning for a study that is undefined on every bar; empty when it is not."""
    return "" if np.isfinite(values).any() else f"{name}: too few bars ({len(values)}), nothing is drawn"


def draw_study_line(plot: Plot, values: Floats, color: Color, width: float = LINE_WIDTH) -> None:
    """A line through a series over the full bars, `width` design pixels wide."""
    plot.line(plot.data.sample(values), color, width)
