"""Scales: from values (linear or logarithmic) to pixel rows, and from bar indices to pixel columns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from app.charts.rendering.canvas.base import Box, Floats

_BODY_SHARE: Final = 0.8
_MIN_BODY: Final = 3
_MAX_BODY: Final = 36
_FLAT_REACH: Final = 0.005
_FAR: Final = 1e5  # pixels: outside every image, and within the range that Agg can clip
_MIN_LOG_SHARE: Final = 1e-3
RESOLUTION: Final = 1e-9
MIN_VALUE: Final = 1e-100


@dataclass(frozen=True, slots=True)
class ValueScale:
    """Maps values from `low` to `high` to pixel rows from `bottom` up to `top`. `log` needs both values above 0."""

    low: float
    high: float
    top: float
    bottom: float
    log: bool = False

    def y(self, values: Floats) -> Floats:
        """Pixel rows of values, not rounded, limited to 100,000 pixels from the image."""
        low, high = self._ends()
        transformed = np.log(np.maximum(values, self.low * _MIN_LOG_SHARE)) if self.log else values
        heights: Floats = self.bottom - (transformed - low) * ((self.bottom - self.top) / (high - low))
        near: Floats = np.minimum(np.maximum(heights, -_FAR), _FAR)  # np.clip takes 4 times as long for a hundred
        return near

    def at(self, value: float) -> float:
        """Pixel row of one value."""
        low, high = self._ends()
        transformed = math.log(max(value, self.low * _MIN_LOG_SHARE)) if self.log else value
        height = self.bottom - (transformed - low) * ((self.bottom - self.top) / (high - low))
        return min(max(height, -_FAR), _FAR)

    def shows(self, value: float) -> bool:
        """Whether the value lies on the scale."""
        return self.low <= value <= self.high

    def _ends(self) -> tuple[float, float]:
        return (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)


@dataclass(frozen=True, slots=True)
class IndexScale:
    """Maps `count` bars and `free_slots` slots after them to the pixels from `left` to `right`.

    All slots have one width: nights and weekends leave no gaps.
    """

    left: int
    right: int
    count: int
    free_slots: int = 0

    @property
    def slot(self) -> float:
        """Pixels from one bar to the next."""
        return (self.right - self.left) / max(self.count + self.free_slots, 1)

    def centers(self) -> Floats:
        """Pixel columns of the middles of all bars, not rounded."""
        return self.left + (np.arange(self.count, dtype=np.float64) + 0.5) * self.slot

    def at(self, index: float) -> float:
        """Pixel column of the middle of one bar, or of a slot after the last one."""
        return self.left + (index + 0.5) * self.slot


@dataclass(frozen=True, slots=True)
class BarWidths:
    """Widths of a bar's body and wick in pixels, both odd or both even so that the wick is in the middle."""

    body: int
    wick: int


def bar_widths(slot: float, hairline: int) -> BarWidths:
    """Widths for bars `slot` pixels apart: body about 80 % of it, a wick alone under 3 pixels.

    A pixel stays free between two bodies from 4 pixels on (below, a body that can be seen matters more), and where
    there are only a few they do not become blocks.
    """
    if slot < _MIN_BODY:
        return BarWidths(max(1, min(hairline, int(slot))), max(1, min(hairline, int(slot))))
    wick = max(1, min(hairline, int(slot / 4)))
    body = max(_MIN_BODY, min(round(slot * _BODY_SHARE), int(slot) - 1, _MAX_BODY * hairline))
    return BarWidths(body - (body - wick) % 2, wick)


def value_scale(low: float, high: float, box: Box, *, above: float, below: float, log: bool = False) -> ValueScale:
    """A scale over the height of `box`, with margins of `above` and `below` pixels beyond `high` and `low`."""
    low, high = widened(low, high)
    top, bottom = box.top + above, box.bottom - below
    scale = ValueScale(low, high, top, max(bottom, top + 1), log)
    return _extended(scale, box.top, box.bottom)


def widened(low: float, high: float, share: float = _FLAT_REACH) -> tuple[float, float]:
    """The same ends, or, where they are nearly equal, ends a fraction `share` of their magnitude to either side."""
    size = max(abs(low), abs(high))
    if high - low > max(size * RESOLUTION, MIN_VALUE):
        return low, high
    reach = size * share if size > MIN_VALUE else 1.0
    return low - reach, high + reach


def _extended(scale: ValueScale, top: float, bottom: float) -> ValueScale:
    """The same mapping with other ends: those at the pixel rows `top` and `bottom`."""
    low, high = (math.log(scale.low), math.log(scale.high)) if scale.log else (scale.low, scale.high)
    step = (high - low) / (scale.bottom - scale.top)
    ends = (low - (bottom - scale.bottom) * step, high + (scale.top - top) * step)
    if scale.log:
        ends = (math.exp(ends[0]), math.exp(ends[1]))
    return ValueScale(ends[0], ends[1], top, bottom, scale.log)
