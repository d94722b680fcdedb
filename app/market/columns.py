"""Turns the cells of JSON or CSV columns into bars: one set of rules for every way bars come in. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from app.market.domain import BarError, Bars, check
from app.shared.clock import epoch_ms, looks_like_seconds, parse_rfc3339

REQUIRED: Final = ("time", "open", "high", "low", "close")
NAMES: Final = (*REQUIRED, "volume")

_TIME_HEADERS: Final = ("time", "date", "timestamp")
MIN_TIME_MS: Final = epoch_ms(datetime(1800, 1, 1, tzinfo=UTC))
MAX_TIME_MS: Final = epoch_ms(datetime(2200, 1, 1, tzinfo=UTC))
"""The times a bar may have, both included."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,15}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_A_TIME: Final = "not epoch milliseconds, RFC 3339 with an offset, or YYYY-MM-DD"


class HeaderError(ValueError):
    """A table whose header does not name every column once."""


def places_of(headers: Sequence[str]) -> dict[str, int]:
    """Where each of our columns stands in a table; columns that are none of ours are passed over.

    Names count in any case, and the time may also be called date or timestamp. Raises HeaderError.
    """
    places: dict[str, int] = {}
    for place, header in enumerate(headers):
        name = header.strip().lower()
        name = "time" if name in _TIME_HEADERS else name
        if name in places:
            raise HeaderError(f"two columns for {name}")
        if name in NAMES:
            places[name] = place
    missing = [name for name in REQUIRED if name not in places]
    if missing:
        raise HeaderError(f"no column for {', '.join(missing)}")
    return places


def bars_of_table(columns: Mapping[str, Sequence[str]]) -> Bars:
    """Bars from the texts of a table. A volume that is empty in every row is no volume. Raises BarError."""
    is_empty = not any(cell.strip() for cell in columns.get("volume", ()))
    return bars_of({name: cells for name, cells in columns.items() if name != "volume" or not is_empty})


def bars_of(columns: Mapping[str, Sequence[object]]) -> Bars:
    """Bars from columns by name: all of REQUIRED, and `volume` or not.

    Raises BarError for the first bad row, whether a cell of it cannot be read or the row breaks a rule of bars.
    """
    parsed: dict[str, Any] = {}
    failures: list[BarError] = []
    for name, cells in columns.items():
        parsed[name], failure = _parse(parse_time if name == "time" else parse_number, name, cells)
        failures += [failure] if failure else []
    if not failures:
        return _not_in_seconds(check(Bars(**parsed)), columns["time"])
    first = min(failures, key=lambda failure: failure.row)
    check(Bars(**{name: values[: first.row] for name, values in parsed.items()}))
    raise first


def parse_time(cell: object) -> int:
    """Epoch milliseconds, rounded down. A day alone is its midnight UTC. Raises ValueError with the reason."""
    milliseconds = _integer_of(cell) if not isinstance(cell, str) else _time_of(cell.strip())
    if not MIN_TIME_MS <= milliseconds <= MAX_TIME_MS:
        raise ValueError("not between the years 1800 and 2200")
    return milliseconds


def parse_number(cell: object) -> float:
    """The nearest double, which may be infinite. Raises ValueError with the reason."""
    if isinstance(cell, str):
        text = cell.strip()
        if not text:
            raise ValueError("empty")
        if _NUMBER.fullmatch(text):
            return float(text)
    elif isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return float(cell)
    raise ValueError("not a number")


def _not_in_seconds(bars: Bars, cells: Sequence[object]) -> Bars:
    """Refuse a series that ends in early 1970 by number: it came in seconds. Days written as such may end there."""
    if bars.time and looks_like_seconds(bars.time[-1]) and str(cells[-1]).strip().isdigit():
        raise BarError("time", len(bars) - 1, "looks like seconds: send epoch milliseconds")
    return bars


def _parse(
    parse: Callable[[object], float], name: str, cells: Sequence[object]
) -> tuple[tuple[float, ...], BarError | None]:
    """The cells up to the first that cannot be read, and what is wrong with that one."""
    values: list[float] = []
    try:
        for cell in cells:
            values.append(parse(cell))  # noqa: PERF401 - how many were read tells the row of the failure
    except ValueError as error:
        return tuple(values), BarError(name, len(values), str(error))
    return tuple(values), None


def _integer_of(cell: object) -> int:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    if isinstance(cell, Decimal) and cell == cell.to_integral_value():
        return int(cell)
    raise ValueError(_NOT_A_TIME)


def _time_of(text: str) -> int:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC) if _DAY.fullmatch(text) else parse_rfc3339(text)
    except ValueError as error:
        raise ValueError(_NOT_A_TIME) from error
    return epoch_ms(moment)
