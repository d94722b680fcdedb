"""Which values of an axis get a grid line and a label: steps of 1, 2 and 5, decades on a logarithmic axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.charts.rendering.scales import ValueScale

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_MANTISSAS: Final = (
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
    (1, 1.5, 2, 3, 4, 5, 6, 8),
    (1, 2, 3, 5),
    (1, 2, 5),
    (1, 3),
)
_EVEN_RATIO: Final = 2.0
_MOST: Final = 200


def nice_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in _STEPS if step * power >= least * (1 - 1e-9))


def value_ticks(scale: ValueScale, gap: float, finest: float = 0.0) -> list[float]:
    """Round values on the scale, rising, at least `gap` pixels apart and `finest` in value."""
    if scale.log and scale.high / scale.low > _EVEN_RATIO:
        return _log_ticks(scale, gap)
    height = scale.bottom - scale.top
    if scale.log:
        # Equal steps lie closest at the top of a logarithmic axis.
        height = height * (scale.high - scale.low) / (scale.high * math.log(scale.high / scale.low))
    step = nice_step(max((scale.high - scale.low) * gap / max(height, 1), finest))
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    if not 0 <= last - first < _MOST:
        return []
    return [round_to(index * step, step) for index in range(first, last + 1)]


def round_to(value: float, step: float) -> float:
    """The value without the error of the multiplication that made it, to the digits of its step."""
    digits = 1 - math.floor(math.log10(step))
    return round(value, digits)


def _log_ticks(scale: ValueScale, gap: float) -> list[float]:
    first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
    decade = (scale.bottom - scale.top) / math.log10(scale.high / scale.low)
    for mantissas in _MANTISSAS:
        closest = min(math.log10(b / a) for a, b in zip(mantissas, (*mantissas[1:], 10), strict=True)) * decade
        if closest >= gap:
            return [value for value in _decades(first, last, 1, mantissas) if scale.shows(value)]
    every = max(1, math.ceil(gap / decade))
    return [value for value in _decades(first - first % every, last, every, (1,)) if scale.shows(value)]


def _decades(first: int, last: int, every: int, mantissas: tuple[float, ...]) -> Iterator[float]:
    for power in range(first, last + 1, every):
        for mantissa in mantissas:
            yield float(f"{mantissa}e{power}")
