"""Bars and the questions about them as they travel over HTTP: columns in JSON, tables in CSV.

No pandas here: this is the web process, and the csv module reads 20,000 rows in the time pandas takes to load.
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
    bars_of,
    bars_of_table,
    parse_time,
    places_of,
)
from app.market.domain import MAX_BARS, BarError, Bars
from app.shared.errors import FieldError, ValidationFailed
from app.shared.instruments import TIMEFRAME_SECONDS, normalize_instrument

DEFAULT_LIMIT: Final = 500


class TimeField(fields.Field[int]):
    """Epoch milliseconds, from any of the ways a time may be written."""

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
            "description": "start of the last bar: epoch ms, RFC 3339, or a day, in the years 1800 to 2199; "
            "default: the newest bar"
        },
    )
    limit = fields.Integer(
        load_default=DEFAULT_LIMIT,
        validate=validate.Range(1, MAX_BARS),
        metadata={"description": "how many of the bars up to there are given"},
    )


class Columns(Schema):
    """Bars as columns of one length, times strictly increasing. For the document: `parse_columns` does the work."""

    class Meta:
        unknown = RAISE

    time = fields.List(
        fields.Raw(metadata={"type": ["integer", "string"]}),
        required=True,
        metadata={"description": "starts of the bars: epoch ms, RFC 3339, or days"},
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
    inserted = fields.Integer(metadata={"description": "bars that were new"})
    updated = fields.Integer(metadata={"description": "bars that took the place of one of the same time"})


def parse_series(instrument: str, timeframe: str) -> tuple[str, str]:
    """The names of a series as they are stored. Raises ValidationFailed."""
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
    """Bars from parsed JSON. Raises ValidationFailed, which names the first bad row."""
    if not isinstance(value, Mapping):
        raise _refused("", "an object with a list for each column")
    columns = {name: cells for name, cells in value.items() if not (name == "volume" and cells is None)}
    errors = [FieldError(f"/{name}", "missing") for name in REQUIRED if name not in columns]
    errors += [FieldError("", f"no such column: {name[:64]}") for name in columns if name not in NAMES]
    errors += [FieldError(f"/{name}", "not a list") for name in NAMES if not isinstance(columns.get(name, []), list)]
    if errors:
        raise ValidationFailed(errors)
    _check_count(len(columns["time"]))
    try:
        return bars_of(columns)
    except BarError as error:
        raise _refused(f"/{error.column}/{error.row}", error.message) from error


def parse_csv(body: bytes) -> Bars:
    """Bars from a table with a header row, whose columns may stand in any order and among others.

    Raises ValidationFailed, which names the first bad row, counted from 0 after the header, and its line.
    """
    try:
        columns, lines = _read_table(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _refused("", f"not UTF-8 at byte {error.start}") from error
    except (csv.Error, HeaderError) as error:
        raise _refused("", f"not a table of bars: {error}") from error
    _check_count(len(lines))
    try:
        return bars_of_table(columns)
    except BarError as error:
        raise _refused(f"/{error.column}/{error.row}", f"{error.message} (line {lines[error.row]})") from error


def columnar(instrument: str, timeframe: str, bars: Bars) -> dict[str, Any]:
    columns = {name: getattr(bars, name) for name in NAMES}
    return {"instrument": instrument, "timeframe": timeframe} | columns


def _read_table(text: str) -> tuple[dict[str, list[str]], list[int]]:
    """The columns of a table, and the line each of its rows ended on. Stops reading after one row too many."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header = next(reader, [])
    places = places_of(header)
    columns: dict[str, list[str]] = {name: [] for name in places}
    lines: list[int] = []
    for cells in islice(filter(None, reader), MAX_BARS + 1):
        if len(cells) > len(header):
            raise csv.Error(f"expected {len(header)} fields in line {reader.line_num}, saw {len(cells)}")
        lines.append(reader.line_num)
        for name, place in places.items():
            columns[name].append(cells[place] if place < len(cells) else "")
    return columns, lines


def _check_count(bars: int) -> None:
    if not 0 < bars <= MAX_BARS:
        raise _refused("/time", f"1 to {MAX_BARS} bars")


def _refused(pointer: str, message: str) -> ValidationFailed:
    return ValidationFailed([FieldError(pointer, message)])
