"""Estimates the time to draw a chart from its spec. Pure: standard library only.

The estimate assumes the worst data: each line fills its plot. The weights are CPU milliseconds of the worst cases in
`tests/unit/charts/rendering/test_render_cost.py` on a 2-core AMD EPYC machine, rounded up. Memory needs no estimate: no
accepted chart takes more than 350 MB, most of it for the pixels.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any, Final, NamedTuple

from app.charts.domain import Bollinger, ChartSpec, OrderMark, Sample, VolumeProfile
from app.shared.errors import FieldError

_MEGA: Final = 1_000_000
_IMAGE: Final = 30.0  # the canvas, its encoding and the main series, for each megapixel
_WEBP: Final = 100.0  # the WebP encoder, for each megapixel
_LINE: Final = 9.0  # a line, or the area between two, for each megapixel
_PROFILE: Final = 3.0
_PANEL_SHARE: Final = 0.5
_BAR: Final = 0.01
_MARK: Final = 0.3
_LETTER: Final = 0.002
_FOREIGN_LETTER: Final = 0.04  # a letter of another font than DejaVu, loaded and shaped for the first time
_VECTOR_SHARE: Final = 0.1  # an SVG has points instead of pixels
_LINES: Final = {"macd": 3, "drawdown": 2, "volume": 1, "rsi": 2, "atr": 1}


class CostPart(NamedTuple):
    """The cost of one field of a spec: `fixed` milliseconds, and `by_pixels` milliseconds for each megapixel."""

    pointer: str
    fixed: float
    by_pixels: float


def cost_errors(options: Mapping[str, Any], bars: int, budget: float) -> Iterator[FieldError]:
    """Yield an error at the field with which a chart of `bars` bars exceeds `budget` milliseconds.

    The message says what would fit.
    """
    size = options["width"] * options["height"] * options["scale"] ** 2 / _MEGA
    share = _VECTOR_SHARE if options["format"] == "svg" else 1.0
    parts = [*_cost_parts(options, bars)]
    costs = [part.fixed + part.by_pixels * size * share for part in parts]
    place = bisect_right([*accumulate(costs)], budget)
    if place == len(parts):
        return
    fixed, by_pixels = sum(part.fixed for part in parts), sum(part.by_pixels for part in parts) * share
    message = f"the chart would take about {sum(costs) / 1000:.1f} s to draw, more than {budget / 1000:.1f} s"
    if place:
        message += "; everything before this field would fit"
    if fixed < budget:
        message += f"; all would fit in {(budget - fixed) / by_pixels:.1f} megapixels instead of {size:.1f}"
    yield FieldError(parts[place].pointer, message)


def estimate_milliseconds(spec: ChartSpec) -> float:
    """Estimate the CPU milliseconds to draw a spec."""
    data = spec.data
    size = spec.width * spec.height * spec.scale**2 / _MEGA * (_VECTOR_SHARE if spec.format == "svg" else 1.0)
    options = {name: getattr(spec, name) for name in ("type", "title", "format", "overlays", "panels", "annotations")}
    bars = len(data.values if isinstance(data, Sample) else data.time)
    return sum(part.fixed + part.by_pixels * size for part in _cost_parts(options, bars))


def _cost_parts(options: Mapping[str, Any], bars: int) -> Iterator[CostPart]:
    lines = 3 if options["type"] == "equity" else 2
    encoder = _WEBP if options["format"] == "webp" else 0.0
    yield CostPart("/width", bars * _BAR + _text_cost(options["title"]), _IMAGE + encoder + lines * _LINE)
    for place, overlay in enumerate(options["overlays"]):
        by_pixels = (
            _PROFILE if isinstance(overlay, VolumeProfile) else _LINE * (4 if isinstance(overlay, Bollinger) else 1)
        )
        yield CostPart(f"/overlays/{place}", bars * _BAR / 10, by_pixels)
    share = _PANEL_SHARE / max(len(options["panels"]), 1)
    for place, panel in enumerate(options["panels"]):
        yield CostPart(f"/panels/{place}", bars * _BAR / 10, _LINES[panel.kind] * _LINE * share)
    for place, annotation in enumerate(options["annotations"]):
        lines = 2 + len(annotation.targets) if isinstance(annotation, OrderMark) else 1
        yield CostPart(f"/annotations/{place}", lines * _MARK + _text_cost(getattr(annotation, "label", "")), 0.0)


def _text_cost(text: str) -> float:
    foreign = 0 if text.isascii() else sum(not character.isascii() for character in text)
    return len(text) * _LETTER + foreign * _FOREIGN_LETTER
