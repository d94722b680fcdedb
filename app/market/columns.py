"""Parses columns of JSON or CSV cells into bars, by the same rules for every source. Pure."""

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
    """The header of a table does not name every column exactly once."""


def column_indices(headers: Sequence[str]) -> dict[str, int]:
    """The index of each column of bars in a table. Other columns are ignored.

    Case does not matter, and the time may also be called date or timestamp. Raises HeaderError.
    """
    indices: dict[str, int] = {}
    for index, header in enumerate(headers):
        name = header.strip().lower()
        name = "time" if name in _TIME_HEADERS else name
        if name in indices:
            raise HeaderError(f"two columns for {name}")
        if name in NAMES:
            indices[name] = index
    missing = [name for name in REQUIRED if name not in indices]
    if missing:
        raise HeaderError(f"no column for {', '.join(missing)}")
    return indices


def parse_table(columns: Mapping[str, Sequence[str]]) -> Bars:
    """Bars from the texts of a table. A volume column that is empty in all rows is ignored. Raises BarError."""
    is_empty = not any(cell.strip() for cell in columns.get("volume", ()))
    return parse_bars({name: cells for name, cells in columns.items() if name != "volume" or not is_empty})


def parse_bars(columns: Mapping[str, Sequence[object]]) -> Bars:
    """Bars from columns by name: all of REQUIRED, and optionally `volume`.

    Raises BarError for the first invalid row, whether a cell cannot be parsed or the row breaks a rule of bars.
    """
    parsed: dict[str, Any] = {}
    errors: list[BarError] = []
    for name, cells in columns.items():
        parsed[name], error = _parse_column(parse_time if name == "time" else parse_number, name, cells)
        errors += [error] if error else []
    if not errors:
        return _refuse_seconds(check(Bars(**parsed)), columns["time"])
    first = min(errors, key=lambda error: error.row)
    check(Bars(**{name: values[: first.row] for name, values in parsed.items()}))
    raise first


def parse_time(cell: object) -> int:
    """Epoch milliseconds, rounded down. A date without a time is midnight UTC. Raises ValueError with the reason."""
    milliseconds = _whole_number(cell) if not isinstance(cell, str) else _parse_time_text(cell.strip())
    if not MIN_TIME_MS <= milliseconds <= MAX_TIME_MS:
        raise ValueError("not between the years 1800 and 2200")
    return milliseconds


def parse_number(cell: object) -> float:
    """The nearest double, possibly infinite. Raises ValueError with the reason."""
    if isinstance(cell, str):
        text = cell.strip()
        if not text:
            raise ValueError("empty")
        if _NUMBER.fullmatch(text):
            return float(text)
    elif isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return float(cell)
    raise ValueError("not a number")


def _refuse_seconds(bars: Bars, cells: Sequence[object]) -> Bars:
    """The bars. Raises BarError if their numeric times look like seconds; dates may lie in early 1970."""
    if bars.time and looks_like_seconds(bars.time[-1]) and str(cells[-1]).strip().isdigit():
        raise BarError("time", len(bars) - 1, "looks like seconds: send epoch milliseconds")
    return bars


def _parse_column(
    parse: Callable[[object], float], name: str, cells: Sequence[object]
) -> tuple[tuple[float, ...], BarError | None]:
    """The values up to the first invalid cell, and the error of that cell."""
    values: list[float] = []
    try:
        for cell in cells:
            values.append(parse(cell))  # noqa: PERF401 - their number is the row of the error
    except ValueError as error:
        return tuple(values), BarError(name, len(values), str(error))
    return tuple(values), None


def _whole_number(cell: object) -> int:
    if isinstance(cell, int) and not isinstance(cell, bool):
        return cell
    if isinstance(cell, Decimal) and cell == cell.to_integral_value():
        return int(cell)
    raise ValueError(_NOT_A_TIME)


def _parse_time_text(text: str) -> int:
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC) if _DAY.fullmatch(text) else parse_rfc3339(text)
    except ValueError as error:
        raise ValueError(_NOT_A_TIME) from error
    return epoch_ms(moment)
