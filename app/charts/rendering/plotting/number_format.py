"""Formats of numbers: prices with the instrument's decimals, large ones as 12.4M, signed percentages."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np

from app.charts.rendering.canvas.base import Floats

_MAX_DECIMALS: Final = 10
_SAMPLE_SIZE: Final = 256
_SCIENTIFIC_ABOVE: Final = 1e15
_SCIENTIFIC_BELOW: Final = 1e-10
_SUFFIXES: Final = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))
_ROUNDING_ERROR: Final = 1e-6
_MIN_EXACT_SHARE: Final = 0.8
_DIGITS: Final = 4
_TINY: Final = 1e-4
_SHORTENED_FROM: Final = 1e7
_SHORTENED_DECIMALS: Final = 3
_LOG_SPAN: Final = 20.0
_HUGE_SHARE: Final = 1e7
_SMALL_SHARE: Final = 1e-3
_SHORT_FROM: Final = (1, 100, 1000)
_SHORT_DECIMALS: Final = (4, 2, 1, 0)
_POWERS_OF_TEN: Final = np.array([10.0**decimals for decimals in range(_MAX_DECIMALS + 1)])
MINUS: Final = "\N{MINUS SIGN}"


def decimals_of(prices: Floats) -> int:
    """The instrument's precision: the fewest decimals that write 80 % of the last 256 prices exactly.

    Calculated prices, which no number of decimals writes exactly, get four significant digits.
    """
    sample = prices[-_SAMPLE_SIZE:]
    size = float(np.abs(sample).max(initial=0.0))
    if size >= _SCIENTIFIC_ABOVE:
        return 0
    # One column for each number of decimals: the prices in units of their last decimal.
    shifted = sample[:, np.newaxis] * _POWERS_OF_TEN
    whole = np.count_nonzero(np.abs(shifted - np.rint(shifted)) <= _ROUNDING_ERROR, axis=0) / max(len(sample), 1)
    for decimals, (power, share) in enumerate(zip(_POWERS_OF_TEN.tolist(), whole.tolist(), strict=True)):
        if size * power > _SCIENTIFIC_ABOVE:
            break
        if share >= _MIN_EXACT_SHARE and (size == 0 or size * power >= 1):
            return decimals
    return decimals_for(size)


def decimals_for(size: float) -> int:
    """Decimals that write `size` with four significant digits, at least two below 10,000; two for zero and NaN."""
    if not size > 0:
        return 2
    return min(max(_DIGITS - 1 - math.floor(math.log10(size)), 0 if size >= 10**_DIGITS else 2), 2 * _MAX_DECIMALS)


def smallest_step(decimals: int) -> float:
    """The smallest difference that the decimals can write; 0 for prices written in powers of ten."""
    return 10.0**-decimals if decimals <= _MAX_DECIMALS else 0.0


def price(value: float, decimals: int) -> str:
    """A price with the instrument's decimals and separated thousands; the largest and smallest in powers of ten.

    A price too small for the decimals gets more of them. A zero has at most two decimals.
    """
    size = abs(value)
    if size and (size >= _SCIENTIFIC_ABOVE or (size < _SCIENTIFIC_BELOW and decimals >= _MAX_DECIMALS)):
        return _power_of_ten(value, 2)
    if size < _SCIENTIFIC_BELOW:
        return f"{0:.{decimals if decimals <= 2 else 0}f}"  # noqa: PLR2004 - two decimals are usual for money
    text = f"{size:,.{decimals}f}"
    if not any(digit in text for digit in "123456789"):
        text = _significant(size)
    return _signed(text, value)


def calculated(value: float, decimals: int) -> str:
    """A calculated value: formatted as a price, from ten million on as 12.4M."""
    return compact(value) if abs(value) >= _SHORTENED_FROM else price(value, decimals)


def uniform(values: Sequence[float], decimals: int) -> list[str]:
    """Prices in one notation: all in powers of ten if one of them needs it."""
    texts = [price(value, decimals) for value in values]
    return [_power_of_ten(value, 2) for value in values] if any("e" in text for text in texts) else texts


def axis_formatter(ticks: Sequence[float], decimals: int, *, powers: bool = False) -> Callable[[float], str]:
    """The function that formats the labels of an axis, so that no two of its round values have equal texts.

    It uses the instrument's decimals, or as many as the step needs; from ten million on 12.4M; on a logarithmic axis
    over decades, the decimals of each value; powers of ten for the largest and smallest values, or all with `powers`.
    """
    sizes = [abs(tick) for tick in ticks if tick]
    if not sizes:
        return partial(price, decimals=decimals)
    low, high = min(sizes), max(sizes)
    if powers or high >= _SCIENTIFIC_ABOVE or high < _SCIENTIFIC_BELOW:
        digits = next(digits for digits in range(1, 18) if all(float(f"{tick:.{digits}e}") == tick for tick in ticks))
        return partial(_power_of_ten, digits=digits)
    if high / low >= _LOG_SPAN and not _even(ticks):
        return compact if high >= _SHORTENED_FROM else _exact
    needed_decimals = max(decimals, *(_exact_decimals(tick) for tick in ticks))
    full = partial(price, decimals=needed_decimals)
    if high < _SHORTENED_FROM:
        return full
    unit = next(unit for unit in _SUFFIXES if high >= unit[0])
    rounded = [
        partial(_shortened, unit=unit, decimals=digits)
        for digits in range(_SHORTENED_DECIMALS + 1)
        if all(abs(round(tick / unit[0], digits) * unit[0] - tick) < _ROUNDING_ERROR * high for tick in ticks)
    ]
    return _first_unambiguous(ticks, [*rounded, full])


def _first_unambiguous(ticks: Sequence[float], formatters: Sequence[Callable[[float], str]]) -> Callable[[float], str]:
    """The first formatter that gives all ticks different texts, else the last one."""
    return next(
        (formatter for formatter in formatters if len({formatter(tick) for tick in ticks}) == len(ticks)),
        formatters[-1],
    )


def _even(ticks: Sequence[float]) -> bool:
    steps = [after - before for before, after in pairwise(ticks)]
    return not steps or max(steps) <= min(steps) * 1.01


def _exact(value: float) -> str:
    return price(value, _exact_decimals(value))


def _exact_decimals(value: float) -> int:
    """The fewest decimals that write a round value exactly."""
    exponent = Decimal(repr(float(value))).normalize().as_tuple().exponent
    return min(max(-int(exponent), 0), 2 * _MAX_DECIMALS)


def _shortened(value: float, unit: tuple[float, str], decimals: int) -> str:
    return _signed(f"{abs(value) / unit[0]:,.{decimals}f}{unit[1]}", value) if value else "0"


def _power_of_ten(value: float, digits: int) -> str:
    if not value:
        return "0"
    return _signed(f"{abs(value):.{digits}e}".replace("e-0", "e-").replace("e+", "e"), value)


def _significant(size: float) -> str:
    """A number below 1 with two significant digits: 0.00012."""
    text = f"{size:.{1 - math.floor(math.log10(size))}f}"
    return text.rstrip("0")


def compact(value: float) -> str:
    """A quantity with three or four digits: 950, 12.4k, 3.18M."""
    size = abs(value)
    for unit, suffix in _SUFFIXES:
        if size >= unit * 0.99995:
            if size / unit >= _SCIENTIFIC_ABOVE / 1e9:
                return price(value, 0)
            return _signed(f"{_short(size / unit)}{suffix}", value)
    return _signed(_short(size), value)


def percent(fraction: float, *, sign: bool = False) -> str:
    """A fraction as a percentage: 0.0131 is 1.31%; with `sign`, +1.31%."""
    if not math.isfinite(fraction) or abs(fraction) >= _HUGE_SHARE:
        return "n/a"
    text = f"{abs(fraction) * 100:,.2f}"
    if text == "0.00":
        return "0.00%"
    return ("+" if sign and fraction > 0 else MINUS if fraction < 0 else "") + text + "%"


def short_percent(fraction: float) -> str:
    """A fraction as a percentage without trailing zeros: -12.5%. Below 0.1% it has two significant digits."""
    if _SCIENTIFIC_BELOW < abs(fraction) < _SMALL_SHARE:
        return _signed(_significant(abs(fraction) * 100), fraction) + "%"
    text = percent(fraction).removesuffix("%")
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def count_text(number: int, noun: str) -> str:
    """A number with its noun: 1 bar, 1,200 bars."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _short(size: float) -> str:
    """A number with up to four significant digits and no trailing zeros."""
    if 0 < size < _SCIENTIFIC_BELOW:
        return _power_of_ten(size, 1)
    if 0 < size < _TINY:
        return _significant(size)
    text = f"{size:.{_SHORT_DECIMALS[bisect_right(_SHORT_FROM, size)]}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _signed(text: str, value: float) -> str:
    return MINUS + text if value < 0 else text
