"""Fields of JSON that a chart spec is made of: exact about types, and one field for a whole column of numbers.

Apart from `schemas` because these know nothing of charts' shapes. A field per number would take 20 times as long.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from marshmallow import Schema, ValidationError, fields

from app.shared.clock import epoch_ms, parse_rfc3339

EARLIEST_MS: Final = epoch_ms(datetime(1900, 1, 1, tzinfo=UTC))
LATEST_MS: Final = epoch_ms(datetime(2200, 1, 1, tzinfo=UTC))
LONGEST_ZONE_NAME: Final = 64
LARGEST: Final = 1e100  # the engine's own bound, under which squares and ratios stay finite

_NUMBERS: Final = {int, float, Decimal}
_COLOR: Final = re.compile(r"^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")
_UNPRINTABLE: Final = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, line and paragraph ends

_INSTANT_DOCUMENT: Final = {
    "type": ["integer", "string"],
    "description": "Epoch milliseconds, or an RFC 3339 time with an offset",
}

NOT_A_TIME: Final = "Not epoch milliseconds, nor an RFC 3339 time with an offset, in the years 1900 to 2199."
NOT_A_NUMBER: Final = "Not a finite number, or larger than 1e100."


def number(value: Any) -> float:
    """A finite number as a float; ValidationError for anything else, booleans and numbers in text included."""
    if type(value) not in _NUMBERS:
        raise ValidationError(NOT_A_NUMBER)
    try:
        result = float(value)
    except (OverflowError, ValueError) as error:
        raise ValidationError(NOT_A_NUMBER) from error
    if not abs(result) <= LARGEST:
        raise ValidationError(NOT_A_NUMBER)
    return result


def instant(value: Any) -> int:
    """Epoch milliseconds of an int that is just that, or of an RFC 3339 text; ValidationError for anything else."""
    milliseconds = _from_text(value) if isinstance(value, str) else _whole(value, NOT_A_TIME)
    if not EARLIEST_MS <= milliseconds < LATEST_MS:
        raise ValidationError(NOT_A_TIME)
    return milliseconds


class Number(fields.Float):
    """A finite number: float."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:  # noqa: ARG002 - marshmallow's signature
        return number(value)


class Whole(fields.Integer):
    """A whole number: int. As in JSON Schema 20.0 is one; "20" and true are not."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # noqa: ARG002
        return _whole(value, "Not a whole number.")


class Instant(fields.Field[int]):
    """A moment: epoch milliseconds."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {**_INSTANT_DOCUMENT, **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:  # noqa: ARG002
        return instant(value)


class Text(fields.String):
    """A line of text, without control characters and halves of characters."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if not text.isprintable():
            for character in text:
                if unicodedata.category(character) in _UNPRINTABLE:
                    raise ValidationError(f"Has the control character U+{ord(character):04X}.")
        return text


class Color(fields.String):
    """A colour as #rgb or #rrggbb."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"pattern": _COLOR.pattern, "example": "#26a69a", **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        if not isinstance(value, str) or not _COLOR.fullmatch(value):
            raise ValidationError("Not a colour such as #0a8 or #00aa88.")
        return value.lower()


class TimeZone(fields.String):
    """Name of a time zone of the IANA database."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:  # noqa: ARG002
        try:
            if isinstance(value, str) and len(value) <= LONGEST_ZONE_NAME:
                return ZoneInfo(value).key
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # the same answer as for what is no name at all
        raise ValidationError("Not a time zone such as Europe/Berlin.")


class Column(fields.Field[tuple[Any, ...]]):
    """A column of values as a tuple: finite numbers, or moments with `of=instant`; with `gaps` a value may be null."""

    def __init__(
        self, *, of: Callable[[Any], Any] = number, gaps: bool = False, least: int = 1, most: int, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.of = of
        self.gaps = gaps
        self.least = least
        items = ["integer", "string"] if of is instant else ["number"]
        document = {"type": "array", "items": {"type": items + ["null"] * gaps}, "minItems": least, "maxItems": most}
        self.metadata = {**document, **self.metadata}

    def _deserialize(
        self,
        value: Any,
        attr: str | None,  # noqa: ARG002
        data: Mapping[str, Any] | None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValidationError("Not a list.")
        if len(value) < self.least:
            raise ValidationError(f"Fewer than {self.least} values.")
        quick = self._quick(value)
        return self._one_by_one(value) if quick is None else quick

    def _quick(self, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...] | None:
        """The column by a few passes that run in C; None when one by one has to find out more."""
        if not values:
            return ()
        kinds = set(map(type, values))
        if self.of is instant:
            fit = kinds == {int} and min(values) >= EARLIEST_MS and max(values) < LATEST_MS
            return tuple(values) if fit else None
        if not kinds <= _NUMBERS:
            return None
        try:
            column = tuple(values) if kinds == {float} else tuple(map(float, values))
        except (OverflowError, ValueError):
            return None
        fit = all(map(isfinite, column)) and min(column) >= -LARGEST and max(column) <= LARGEST
        return column if fit else None

    def _one_by_one(self, values: list[Any] | tuple[Any, ...]) -> tuple[Any, ...]:
        """The column, or ValidationError for its first wrong value: one is enough to find the fault."""
        column: list[Any] = []
        for row, value in enumerate(values):
            try:
                column.append(None if value is None and self.gaps else self.of(value))
            except ValidationError as error:
                raise ValidationError({row: error.messages}) from error
        return tuple(column)


class Variant(fields.Field[Any]):
    """An object with one of several schemas, chosen by `choose(value, the object around it)`.

    `choose` returns a key of `variants` or raises ValidationError; `discriminator` names the property that is the key.
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
            raise ValidationError("Not an object.")
        return _schema(self.variants[self.choose(value, data or {})]).load(value)


@cache
def _schema(kind: type[Schema]) -> Schema:
    """The one instance of a schema: making one takes longer than loading with it."""
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
