"""Entry points of the chart engine: render a spec, load fonts, warm up a process.

The module can be imported without matplotlib and Pillow. Every image is then a grey placeholder marked as degraded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from app.charts.domain import (
    PRICE_TYPES,
    ChartData,
    ChartSpec,
    ChartType,
    EquityCurve,
    HLine,
    MacdPanel,
    RsiPanel,
    Sample,
    VolumePanel,
)
from app.charts.rendering.image import Image
from app.charts.rendering.placeholder import placeholder
from app.market.domain import Bars

try:
    from app.charts.rendering.painter import paint, use_fonts
except ImportError as error:
    if (error.name or "").startswith("app."):
        raise
    paint = None  # type: ignore[assignment]

    def use_fonts(folders: Sequence[Path]) -> list[str]:  # noqa: ARG001 - the same signature
        """Load no fonts: without matplotlib and Pillow no text is drawn."""
        return []


__all__ = ["render", "use_fonts", "warm_up"]

_WARM_UP_BARS: Final = 60
_DAY_MS: Final = 86_400_000
_LETTERS: Final = "".join(map(chr, range(33, 127)))
_TYPES: Final[tuple[ChartType, ...]] = (
    "candlestick",
    "ohlc",
    "line",
    "area",
    "heikin_ashi",
    "renko",
    "equity",
    "histogram",
)


def render(spec: ChartSpec) -> Image:
    """Draw a chart. Equal specs give equal bytes in every process.

    Raises RenderError, with a JSON pointer into the spec, for data that cannot be drawn. Where matplotlib or Pillow
    cannot be imported, returns a grey PNG of the spec's size with `degraded` set, whatever the spec's format.
    """
    if paint is not None:
        return paint(spec)
    width, height = spec.width * spec.scale, spec.height * spec.scale
    message = "charts cannot be drawn on this machine: matplotlib or Pillow is missing"
    return Image(placeholder(width, height), "png", width, height, (message,), "Chart not available.", degraded=True)


def warm_up() -> None:
    """Draw a short chart of each type: this loads fonts and code, fills the caches and allocates memory.

    Two heights alternate: memory that has held images of one size only is allocated anew for the first other size.
    """
    for number, chart_type in enumerate(_TYPES):
        spec = ChartSpec(chart_type, _sample(chart_type), title=_LETTERS)
        spec = replace(spec, height=spec.height - number % 2)
        if chart_type in PRICE_TYPES:
            panels = (VolumePanel(), RsiPanel(), MacdPanel())
            spec = replace(spec, panels=panels, annotations=(HLine(100, _LETTERS),))
        render(spec)


def _sample(chart_type: ChartType) -> ChartData:
    """Data of the chart type's kind: a rising sine wave, which has rising and falling bars and drawdowns."""
    time = tuple(index * _DAY_MS for index in range(_WARM_UP_BARS))
    close = tuple(100 + index / 4 + 5 * math.sin(index / 5) for index in range(_WARM_UP_BARS))
    if chart_type == "equity":
        return EquityCurve(time, close)
    if chart_type == "histogram":
        return Sample(close)
    opened = (100.0, *close[:-1])
    high = tuple(max(pair) + 1 for pair in zip(opened, close, strict=True))
    low = tuple(min(pair) - 1 for pair in zip(opened, close, strict=True))
    return Bars(time, opened, high, low, close, tuple(1000.0 + 10 * index for index in range(_WARM_UP_BARS)))
