"""Marshmallow fields of chart specs. They are strict about JSON types, and one field checks a whole column of numbers.

A List with a field for each number takes 20 times as long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import Schema, ValidationError, fields

from app.charts.limits import MAX_TIME_MS, MAX_TIMEZONE_LENGTH, MAX_VALUE, MIN_TIME_MS
from app.shared.clock import epoch_ms, parse_rfc3339

_NUMBERS: Final = {int, float, Decimal}
_COLOR: Final = re.compile(r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")
_UNPRINTABLE: Final = ("Cc", "Cs", "Zl", "Zp")  # control characters, surrogates, line and paragraph separators

_INSTANT_DOCUMENT: Final = {
    "type": ["integer", "string"],
    "description": "Epoch milliseconds, or an RFC 3339 time with an offset",
}

NOT_A_TIME: Final = "Must be epoch milliseconds or an RFC 3339 time with an offset, in the years 1900 to 2199."
NOT_A_NUMBER: Final = "Must be a finite number, at most 1e100."


def number(value: Any) -> float:
    """A finite number as a float. Raises ValidationError for anything else, including booleans and texts."""
    if type(value) not in _NUMBERS:
        raise ValidationError(NOT_A_NUMBER)
    try:
        result = float(value)
    except (OverflowError, ValueError) as error:
        raise ValidationError(NOT_A_NUMBER) from error
    if not abs(result) <= MAX_VALUE:
        raise ValidationError(NOT_A_NUMBER)
    return result


def instant(value: Any) -> int:
    """Epoch milliseconds, from an integer or an RFC 3339 text. Raises ValidationError."""
    milliseconds = _from_text(value) if isinstance(value, str) else _whole(value, NOT_A_TIME)
    if not MIN_TIME_MS <= milliseconds < MAX_TIME_MS:
        raise ValidationError(NOT_A_TIME)
    return milliseconds


class Number(fields.Float):
    """A finite number as float."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:  # noqa: ARG002 - marshmallow's signature
        return number(value)


class Whole(fields.Integer):
    """An integer. As in JSON Schema, 20.0 is one; "20" and true are not."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # noqa: ARG002
        return _whole(value, "Must be a whole number.")


class Instant(fields.Field[int]):
    """A point in time as epoch milliseconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {**_INSTANT_DOCUMENT, **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # noqa: ARG002
        return instant(value)


class PrintableText(fields.String):
    """A text without control characters, line ends and lone surrogates."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            for character in text:
                if unicodedata.category(character) in _UNPRINTABLE:
                    raise ValidationError(f"Must not contain the character U+{ord(character):04X}.")
        return text


class Color(fields.String):
    """A colour as #rgb or #rrggbb."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"pattern": _COLOR.pattern, "example": "#26a69a", **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        if not isinstance(value, str) or not _COLOR.fullmatch(value):
            raise ValidationError("Must be a colour such as #0a8 or #00aa88.")
        return value.lower()


class TimeZone(fields.String):
    """The name of a time zone in the IANA database."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        try:
            if isinstance(value, str) and len(value) <= MAX_TIMEZONE_LENGTH:
                return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # refused below, like a value that is no text
        raise ValidationError("Must be a time zone such as Europe/Berlin.")


class Column(fields.Field[tuple[Any, ...]]):
    """A column of values as a tuple: finite numbers, or times with `of=instant`; with `nullable` they may be null."""

    def __init__(
        self,
        *,
        of: Callable[[Any], Any] = number,
        nullable: bool = False,
        min_items: int = 1,
        max_items: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.of = of
        self.nullable = nullable
        self.min_items = min_items
        items = ["integer", "string"] if of is instant else ["number"]
        document = {
            "type": "array",
            "items": {"type": items + ["null"] * nullable},
            "minItems": min_items,
            "maxItems": max_items,
        }
        self.metadata = {**document, **self.metadata}

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValidationError("Must be a list.")
        if len(value) < self.min_items:
            raise ValidationError(f"Must have at least {self.min_items} values.")
        column = self._convert_at_once(value)
        return self._convert_each(value) if column is None else column

    def _convert_at_once(self, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The column, by a few passes that run in C; None if a value is invalid or needs a conversion of its own."""
        if not values:
            return ()
        kinds = set(map(type, values))
        if self.of is instant:
            valid = kinds == {int} and min(values) >= MIN_TIME_MS and max(values) < MAX_TIME_MS
            return tuple(values) if valid else None
        if not kinds <= _NUMBERS:
            return None
        try:
            column = tuple(values) if kinds == {float} else tuple(map(float, values))
        except (OverflowError, ValueError):
            return None
        valid = all(map(isfinite, column)) and min(column) >= -MAX_VALUE and max(column) <= MAX_VALUE
        return column if valid else None

    def _convert_each(self, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
        """The column. Raises ValidationError for its first invalid value only."""
        column: list[Any] = []
        for row, value in enumerate(values):
            try:
                column.append(None if value is None and self.nullable else self.of(value))
            except ValidationError as error:
                raise ValidationError({row: error.messages}) from error
        return tuple(column)


class Variant(fields.Field[Any]):
    """An object that has one of several schemas.

    `choose(value, parent object)` returns a key of `variants` or raises ValidationError.
    `discriminator` names the property of the object that is the key, if one is.
    """

    def __init__(
        self,
        variants: Mapping[str, type[Schema]],
        choose: Callable[[Mapping[str, Any], Mapping[str, Any]], str],
        *,
        discriminator: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.variants = variants
        self.discriminator = discriminator
        self.choose = choose

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:  # noqa: ARG002
        if not isinstance(value, dict):
            raise ValidationError("Must be an object.")
        return _schema(self.variants[self.choose(value, data or {})]).load(value)


@cache
def _schema(kind: type[Schema]) -> Schema:
    """A shared instance of a schema: creating one takes longer than loading with it."""
    return kind()


def _whole(value: Any, message: str) -> int:
    if type(value) is int:
        return value
    if type(value) in _NUMBERS and isfinite(value) and value == int(value):
        return int(value)
    raise ValidationError(message)


def _from_text(text: str) -> int:
    try:
        return epoch_ms(parse_rfc3339(text))
    except (ValueError, OverflowError) as error:
        raise ValidationError(NOT_A_TIME) from error
