"""Marshmallow fields for the values of a signal. Each parses one kind of value exactly and documents itself."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from marshmallow import ValidationError, fields

from app.shared.clock import EPOCH, from_epoch_ms, looks_like_seconds, parse_rfc3339
from app.signals.domain import MAX_DIGITS, MAX_LEVELS
from app.web.http.fields import ParsedField

_DECIMAL: Final = r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
_IS_DECIMAL: Final = re.compile(_DECIMAL).fullmatch
_IS_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}").fullmatch
_MAX_MILLISECONDS: Final = 253_402_300_799_999  # the end of the year 9999


class Flag(fields.Boolean):
    """A JSON boolean; marshmallow's own Boolean also accepts texts and numbers such as "yes" and 1."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Price(ParsedField):
    """A price above 0, from a number or a text, as Decimal with exactly the digits that were sent."""

    FORMS: Final = ({"type": "string", "pattern": f"^{_DECIMAL}$"}, {"type": "number", "exclusiveMinimum": 0})

    def __init__(self, **options: Any) -> None:
        description = f"greater than 0, at most {MAX_DIGITS} digits"
        super().__init__(
            metadata={"oneOf": list(self.FORMS), "description": description, "example": "187.20"}, **options
        )

    def parse(self, value: Any) -> Decimal:
        return read_price(value)


class Levels(ParsedField):
    """One price or a list of prices, checked and returned unchanged."""

    def __init__(self, **options: Any) -> None:
        many = {"type": "array", "minItems": 1, "maxItems": MAX_LEVELS, "items": {"oneOf": list(Price.FORMS)}}
        description = f"a price, or a list of up to {MAX_LEVELS}"
        super().__init__(metadata={"oneOf": [*Price.FORMS, many], "description": description}, **options)

    def parse(self, value: Any) -> Any:
        if not isinstance(value, list):
            read_price(value)
        elif not 1 <= len(value) <= MAX_LEVELS:
            raise ValidationError(f"Must be 1 to {MAX_LEVELS} prices.")
        elif errors := {index: messages for index, item in enumerate(value) if (messages := _price_errors(item))}:
            raise ValidationError(errors)
        return value


class Moment(ParsedField):
    """A point in time since 1970: RFC 3339 with an offset, or milliseconds since the epoch."""

    FORMS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": _MAX_MILLISECONDS},
    )

    def __init__(self, description: str = "", **options: Any) -> None:
        forms = "RFC 3339 with an offset, or milliseconds since the epoch"
        description = f"{forms}; {description}" if description else forms
        super().__init__(metadata={"oneOf": list(self.FORMS), "description": description}, **options)

    def parse(self, value: Any) -> datetime:
        moment = _from_text(value) if isinstance(value, str) else _from_milliseconds(value)
        if moment is None:
            raise ValidationError("Must be an RFC 3339 time with an offset, or whole milliseconds since 1970.")
        if moment < EPOCH:
            raise ValidationError("Must not be before 1970.")
        return moment


class QueryMoment(Moment):
    """A point in time in a query string, where milliseconds are a text too."""

    FORMS = (Moment.FORMS[0], {"type": "string", "pattern": "^([0-9]{1,9}|[0-9]{11,14})$"})

    def parse(self, value: Any) -> datetime:
        if isinstance(value, str) and _IS_MILLISECONDS(value):
            value = int(value)
        return super().parse(value)


def read_price(value: Any) -> Decimal:
    """A price from a parsed JSON value, never through a float. Raises ValidationError."""
    if isinstance(value, str) and _IS_DECIMAL(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValidationError("Must be a decimal number.")
    number = Decimal(value)
    if number <= 0:
        raise ValidationError("Must be greater than 0.")
    _, digits, exponent = number.as_tuple()
    # The digits of the number written without an exponent, zeros before the point not counted.
    if max(len(digits) + max(int(exponent), 0), -int(exponent)) > MAX_DIGITS:
        raise ValidationError(f"Must have at most {MAX_DIGITS} digits.")
    return number if int(exponent) <= 0 else Decimal(format(number, "f"))


def _price_errors(value: Any) -> list[str]:
    try:
        read_price(value)
    except ValidationError as error:
        return [str(message) for message in error.messages]
    return []


def _from_milliseconds(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MAX_MILLISECONDS:
        return None
    if looks_like_seconds(value):
        raise ValidationError("Must be milliseconds; this looks like seconds.")
    return from_epoch_ms(value)


def _from_text(value: str) -> datetime | None:
    try:
        return parse_rfc3339(value).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
