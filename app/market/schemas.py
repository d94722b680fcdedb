"""Bars over HTTP: columns in JSON, tables in CSV, and the query parameters.

Without pandas: the csv module parses 20,000 rows in the time that pandas takes to load.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.market.columns import (
    MAX_TIME_MS,
    MIN_TIME_MS,
    NAMES,
    REQUIRED,
    HeaderError,
    column_indices,
    parse_bars,
    parse_table,
    parse_time,
)
from app.market.domain import MAX_BARS, BarError, Bars
from app.shared.errors import FieldError, ValidationFailed
from app.shared.instruments import TIMEFRAME_SECONDS, normalize_instrument

DEFAULT_LIMIT: Final = 500


class TimeField(fields.Field[int]):
    """A time as epoch milliseconds, from milliseconds, RFC 3339 or a date."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        document = {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "string", "format": "date"},
                {"type": "integer", "minimum": MIN_TIME_MS, "maximum": MAX_TIME_MS},
            ]
        }
        self.metadata = {**document, **self.metadata}

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> int:
        try:
            return parse_time(value)
        except ValueError as error:
            reason = str(error)
            raise ValidationError(f"{reason[:1].upper()}{reason[1:]}.") from error


class BarsQuery(Schema):
    until = TimeField(
        metadata={
            "description": "latest start of a bar: epoch ms, RFC 3339, or a date, in the years 1800 to 2199; "
            "default: no limit"
        },
    )
    limit = fields.Integer(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAX_BARS),
        metadata={"description": "maximum number of bars; the last ones are returned"},
    )


class Columns(Schema):
    """Bars as columns of equal length, times strictly increasing. Documents what `parse_columns` reads."""

    class Meta:
        unknown = RAISE

    time = fields.List(
        fields.Raw(metadata={"type": ["integer", "string"]}),
        required=True,
        metadata={"description": "starts of the bars: epoch ms, RFC 3339, or dates"},
    )
    open = fields.List(fields.Float(), required=True)
    high = fields.List(fields.Float(), required=True)
    low = fields.List(fields.Float(), required=True)
    close = fields.List(fields.Float(), required=True)
    volume = fields.List(fields.Float(), allow_none=True)


class StoredColumns(Columns):
    time = fields.List(fields.Integer(), metadata={"description": "starts of the bars in epoch ms"})
    instrument = fields.String()
    timeframe = fields.String(validate=validate.OneOf(tuple(TIMEFRAME_SECONDS)))


class UpsertedSchema(Schema):
    inserted = fields.Integer(metadata={"description": "number of new bars"})
    updated = fields.Integer(metadata={"description": "number of bars that replaced one of the same time"})


def parse_series(instrument: str, timeframe: str) -> tuple[str, str]:
    """The instrument and the timeframe as they are stored. Raises ValidationFailed."""
    errors = []
    try:
        instrument = normalize_instrument(instrument)
    except ValueError as error:
        errors.append(FieldError("/instrument", str(error)))
    if timeframe not in TIMEFRAME_SECONDS:
        errors.append(FieldError("/timeframe", f"one of {', '.join(TIMEFRAME_SECONDS)}"))
    if errors:
        raise ValidationFailed(errors)
    return instrument, timeframe


def parse_columns(value: Any) -> Bars:
    """Bars from parsed JSON. Raises ValidationFailed, which names the first invalid row."""
    if not isinstance(value, Mapping):
        raise _error("", "an object with a list for each column")
    columns = {name: cells for name, cells in value.items() if not (name == "volume" and cells is None)}
    errors = [FieldError(f"/{name}", "missing") for name in REQUIRED if name not in columns]
    errors += [FieldError("", f"no such column: {name[:64]}") for name in columns if name not in NAMES]
    errors += [FieldError(f"/{name}", "not a list") for name in NAMES if not isinstance(columns.get(name, []), list)]
    if errors:
        raise ValidationFailed(errors)
    _check_count(len(columns["time"]))
    try:
        return parse_bars(columns)
    except BarError as error:
        raise _error(f"/{error.column}/{error.row}", error.message) from error


def parse_csv(body: bytes) -> Bars:
    """Bars from a table with a header row. Columns may have any order; others are ignored.

    Raises ValidationFailed, which names the first invalid row, counted from 0 after the header, and its line.
    """
    try:
        columns, lines = _read_table(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _error("", f"not UTF-8 at byte {error.start}") from error
    except (csv.Error, HeaderError) as error:
        raise _error("", f"not a table of bars: {error}") from error
    _check_count(len(lines))
    try:
        return parse_table(columns)
    except BarError as error:
        raise _error(f"/{error.column}/{error.row}", f"{error.message} (line {lines[error.row]})") from error


def bars_view(instrument: str, timeframe: str, bars: Bars) -> dict[str, Any]:
    """Bars as StoredColumns describes them."""
    columns = {name: getattr(bars, name) for name in NAMES}
    return {"instrument": instrument, "timeframe": timeframe} | columns


def _read_table(text: str) -> tuple[dict[str, list[str]], list[int]]:
    """The columns of a table, and the last line of each row. Stops after MAX_BARS + 1 rows."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    indices = column_indices(header)
    columns: dict[str, list[str]] = {name: [] for name in indices}
    lines: list[int] = []
    for cells in islice(filter(None, reader), MAX_BARS + 1):
        if len(cells) > len(header):
            raise csv.Error(f"expected {len(header)} fields in line {reader.line_num}, saw {len(cells)}")
        lines.append(reader.line_num)
        for name, index in indices.items():
            columns[name].append(cells[index] if index < len(cells) else "")
    return columns, lines


def _check_count(bars: int) -> None:
    if not 0 < bars <= MAX_BARS:
        raise _error("/time", f"1 to {MAX_BARS} bars")


def _error(pointer: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldError(pointer, message)])
