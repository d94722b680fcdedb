"""Values of an axis that get a grid line and a label: steps of 1, 2 and 5, and round values of log decades."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from app.charts.rendering.plotting.scales import ValueScale

_STEPS: Final = (1.0, 2.0, 5.0, 10.0)
_MORE_STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_MANTISSAS: Final = (
    (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
    (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 4, 5, 7),
    (1, 2, 3, 5),
    (1, 2, 5),
    (1, 3),
)
_EVEN_RATIO: Final = 2.0
_NARROW_RATIO: Final = 4.0
_MAX_TICKS: Final = 200
_MIN_LABELS, _MAX_LABELS = 5, 12
_CLOSER: Final = (1.0, 0.92, 0.8, 0.65, 0.53)
_WIDER: Final = 1.25
_EDGE: Final = 1 / 6


def nice_step(minimum: float, steps: tuple[float, ...] = _STEPS) -> float:
    """The smallest step times a power of ten that is at least `minimum`."""
    power = 10.0 ** math.floor(math.log10(minimum))
    return next(step * power for step in steps if step * power >= minimum * (1 - 1e-9))


def axis_ticks(scale: ValueScale, gap: float, min_step: float = 0.0, *, exact: bool = False) -> list[float]:
    """5 to 12 round values for the labels of a price axis, where it is at least 300 design pixels high.

    They are at least `gap` pixels apart, or closer (down to 53 %) where that gives fewer than 5. Steps are at least
    `min_step`, unless that gives too few; with `exact` always.
    """
    best: list[float] = []
    for distance in _distances(scale, gap):
        for minimum in (min_step,) if exact or not min_step else (min_step, 0.0):
            for ticks in _choices(scale, distance, minimum):
                clear = [tick for tick in ticks if _clear(scale, tick, gap * _EDGE)]
                if _MIN_LABELS <= len(clear) <= _MAX_LABELS:
                    return clear
                best = max(best, clear, key=lambda labels: len(labels) if len(labels) <= _MAX_LABELS else 0)
    return best


def _distances(scale: ValueScale, gap: float) -> Iterator[float]:
    """Distances to try in pixels: first those that suit the height, then closer ones."""
    if _is_wide(scale):
        # Ticks of a decade are unevenly spaced, so that the height does not tell how many there will be.
        distance = gap
        while distance * _MIN_LABELS <= scale.bottom - scale.top:
            yield distance
            distance *= _WIDER
        yield from (gap * share for share in _CLOSER)
    else:
        yield from (max(gap, (scale.bottom - scale.top) / _MAX_LABELS) * share for share in _CLOSER)


def _choices(scale: ValueScale, distance: float, min_step: float) -> Iterator[list[float]]:
    yield _ticks(scale, distance, min_step)
    if not scale.log or scale.high <= _NARROW_RATIO * scale.low:
        yield _even_ticks(scale, distance, min_step, _STEPS)
        yield _even_ticks(scale, distance, min_step, _MORE_STEPS)


def value_ticks(scale: ValueScale, gap: float) -> list[float]:
    """At most 12 round values on the scale, rising, at least `gap` pixels apart."""
    return _ticks(scale, max(gap, (scale.bottom - scale.top) / _MAX_LABELS), 0.0)


def _ticks(scale: ValueScale, gap: float, min_step: float) -> list[float]:
    if _is_wide(scale):
        return [tick for tick in _log_ticks(scale, gap) if tick >= min_step]
    return _even_ticks(scale, gap, min_step, _STEPS)


def _is_wide(scale: ValueScale) -> bool:
    return scale.log and scale.high / scale.low > _EVEN_RATIO


def _even_ticks(scale: ValueScale, gap: float, min_step: float, steps: tuple[float, ...]) -> list[float]:
    height = scale.bottom - scale.top
    if scale.log:
        # Equal steps lie closest at the top of a logarithmic axis.
        height = height * (scale.high - scale.low) / (scale.high * math.log(scale.high / scale.low))
    step = nice_step(max((scale.high - scale.low) * gap / max(height, 1), min_step), steps)
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    if not 0 <= last - first < _MAX_TICKS:
        return []
    return [round_to(index * step, step) for index in range(first, last + 1)]


def round_to(value: float, step: float) -> float:
    """The value rounded to the digits of its step, which removes the error of floating-point multiplication."""
    digits = 2 - math.floor(math.log10(step))
    return round(value, digits)


def upper_part(scale: ValueScale, bottom: float) -> ValueScale:
    """The part of a scale above the pixel row `bottom`, at least one pixel high."""
    bottom = max(bottom, scale.top + 1)
    share = (bottom - scale.top) / (scale.bottom - scale.top)
    low = (scale.low / scale.high) ** share * scale.high if scale.log else scale.high - share * (scale.high - scale.low)
    return replace(scale, low=low, bottom=bottom)


def _clear(scale: ValueScale, value: float, edge: float) -> bool:
    """Whether the value lies at least `edge` pixels from both ends of the scale."""
    return scale.top + edge <= scale.at(value) <= scale.bottom - edge


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
