"""Studies: series computed from the bars, drawn as overlays or in panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from app.charts.rendering.canvas.base import Floats
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import LINE_WIDTH, Plot


@dataclass(frozen=True, slots=True)
class Study:
    """A computed series ready to draw. Its scale must include the values from `low` to `high` (NaN: none).

    `draw` draws over the bars, `draw_behind` behind them.
    """

    legend: LegendEntry
    low: float
    high: float
    draw: Callable[[Plot], None] | None = None
    warning: str = ""
    draw_behind: Callable[[Plot], None] | None = None

    @property
    def name(self) -> str:
        """The name in the legend: SMA 20."""
        return self.legend.spans[0][0]


@dataclass(frozen=True, slots=True)
class PanelStudy(Study):
    """A study with a plot of its own.

    `text` formats the labels of its axis and `ticks` are its labelled values; None stands for the scale's choice.
    `low_at_bottom` puts `low` on the bottom edge of the plot.
    """

    text: Callable[[float], str] | None = None
    ticks: tuple[float, ...] | None = None
    low_at_bottom: bool = False

    def label_format(self, ticks: Sequence[float]) -> Callable[[float], str]:
        """The function that formats the labels of the panel's axis."""
        return self.text or number_format.axis_formatter(ticks, 0)


def extent(*series: Floats) -> tuple[float, float]:
    """Lowest and highest finite value of several series; NaN without any."""
    finite = np.concatenate([values[np.isfinite(values)] for values in series])
    return (float(finite.min()), float(finite.max())) if len(finite) else (np.nan, np.nan)


def last_finite(values: Floats) -> float:
    """The last finite value; NaN without any."""
    finite = values[np.isfinite(values)]
    return float(finite[-1]) if len(finite) else np.nan


def short_data_warning(name: str, values: Floats) -> str:
    """The warning for a study that is undefined on every bar, else an empty text."""
    return "" if np.isfinite(values).any() else f"{name}: too few bars ({len(values)}), nothing is drawn"


def draw_study_line(plot: Plot, values: Floats, color: Rgba, width: float = LINE_WIDTH) -> None:
    """Draw a line through a series with one value per visible bar, `width` design pixels wide."""
    plot.line(plot.data.sample(values), color, width)
