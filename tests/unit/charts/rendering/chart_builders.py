"""Specs and pictures for the tests of the chart engine."""

from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from app.charts.domain import ChartSpec, EquityCurve, Sample
from app.charts.rendering import engine
from app.charts.rendering.image import Image
from app.market.domain import Bars

DAY_MS = 86_400_000
START_MS = 1_704_067_200_000  # 1 January 2024


def some_bars(count: int = 60, *, step: int = DAY_MS, start: int = START_MS, volume: bool = True) -> Bars:
    """A sine wave of prices with two decimals, with rising and falling bars."""
    close = [round(100 + index / 4 + 5 * math.sin(index / 3), 2) for index in range(count)]
    opened = [99.5, *close[:-1]]
    return Bars(
        tuple(start + step * index for index in range(count)),
        tuple(opened),
        tuple(max(pair) + 0.75 for pair in zip(opened, close, strict=True)),
        tuple(min(pair) - 0.75 for pair in zip(opened, close, strict=True)),
        tuple(close),
        tuple(1000.0 + 100 * (index % 7) for index in range(count)) if volume else None,
    )


def one_bar(opened: float, high: float, low: float, close: float) -> Bars:
    """A single bar."""
    return Bars((START_MS,), (opened,), (high,), (low,), (close,), (10.0,))


def a_spec(**changes: Any) -> ChartSpec:
    """A candlestick chart of 60 bars, 640 by 400."""
    spec = ChartSpec("candlestick", some_bars(), instrument="TEST", timeframe="1d", width=640, height=400)
    return replace(spec, **changes)


def data_for(chart_type: str, bars: Bars) -> Bars | EquityCurve | Sample:
    """The bars' closes as the data of a chart type."""
    if chart_type == "equity":
        return EquityCurve(bars.time, bars.close)
    return Sample(bars.close) if chart_type == "histogram" else bars


def opened(image: Image) -> Pillow.Image:
    """The image decoded by Pillow."""
    picture = Pillow.open(BytesIO(image.data))
    picture.load()
    return picture


def pixels(spec: ChartSpec) -> NDArray[np.uint8]:
    """The drawn picture, shape (height, width, 3)."""
    return np.asarray(opened(engine.render(spec)).convert("RGB"))


def where(picture: NDArray[np.uint8], color: tuple[int, int, int]) -> NDArray[np.bool_]:
    """The pixels of exactly one colour."""
    same: NDArray[np.bool_] = (picture == np.array(color, np.uint8)).all(axis=2)
    return same
