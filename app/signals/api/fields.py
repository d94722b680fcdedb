"""Marshmallow fields for the values of a signal. Each parses one kind of value exactly and documents itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from app.shared.clock import EPOCH, from_epoch_ms, looks_like_seconds, parse_rfc3339
from app.signals.domain import MAX_DIGITS, MAX_LEVELS

_DECIMAL: Final = r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
_IS_DECIMAL: Final = re.compile(_DECIMAL).fullmatch
_IS_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}").fullmatch
_MAX_MILLISECONDS: Final = 253_402_300_799_999  # the end of the year 9999


class FlatSchema(Schema):
    """Loads an object field by field, without marshmallow's hooks, renamed keys, dotted keys and partial loading.

    That saves a tenth of a batch. Unknown keys are refused where `unknown` is RAISE.
    """

    def load(self, data: Any, **_options: Any) -> dict[str, Any]:
        """The values by field. Raises ValidationError with the messages by field, and the valid values."""
        if not isinstance(data, dict):
            raise ValidationError({"_schema": [self.error_messages["type"]]})
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, field in self.load_fields.items():
            try:
                value = field.deserialize(data.get(name, missing), name, data)
            except ValidationError as error:
                errors[name] = error.messages
            else:
                if value is not missing:
                    values[name] = value
        if self.unknown == RAISE:
            errors |= {name: [self.error_messages["unknown"]] for name in data if name not in self.load_fields}
        if errors:
            raise ValidationError(errors, data=data, valid_data=values)
        return values


class Choice(fields.String):
    """A text that is one of `choices`."""

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        super().__init__(metadata={"enum": list(choices)}, **options)
        self._choices = frozenset(choices)
        self._error = f"Must be one of: {', '.join(choices)}."

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if value not in self._choices:
            raise ValidationError(self._error)
        return value


class Flag(fields.Boolean):
    """A JSON boolean; marshmallow's own Boolean also accepts texts and numbers such as "yes" and 1."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Price(fields.Field[Decimal]):
    """A price above 0, from a number or a text, as Decimal with exactly the digits that were sent."""

    FORMS: Final = ({"type": "string", "pattern": f"^{_DECIMAL}$"}, {"type": "number", "exclusiveMinimum": 0})

    def __init__(self, **options: Any) -> None:
        description = f"greater than 0, at most {MAX_DIGITS} digits"
        super().__init__(
            metadata={"oneOf": list(self.FORMS), "description": description, "example": "187.20"}, **options
        )

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Decimal:
        return read_price(value)


class Levels(fields.Field[Any]):
    """One price or a list of prices, checked and returned unchanged."""

    def __init__(self, **options: Any) -> None:
        many = {"type": "array", "minItems": 1, "maxItems": MAX_LEVELS, "items": {"oneOf": list(Price.FORMS)}}
        description = f"a price, or a list of up to {MAX_LEVELS}"
        super().__init__(metadata={"oneOf": [*Price.FORMS, many], "description": description}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        if not isinstance(value, list):
            read_price(value)
        elif not 1 <= len(value) <= MAX_LEVELS:
            raise ValidationError(f"Must be 1 to {MAX_LEVELS} prices.")
        elif errors := {index: messages for index, item in enumerate(value) if (messages := _price_errors(item))}:
            raise ValidationError(errors)
        return value


class Moment(fields.Field[datetime]):
    """A point in time since 1970: RFC 3339 with an offset, or milliseconds since the epoch."""

    FORMS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": _MAX_MILLISECONDS},
    )

    def __init__(self, description: str = "", **options: Any) -> None:
        forms = "RFC 3339 with an offset, or milliseconds since the epoch"
        description = f"{forms}; {description}" if description else forms
        super().__init__(metadata={"oneOf": list(self.FORMS), "description": description}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> datetime:
        moment = _from_text(value) if isinstance(value, str) else _from_milliseconds(value)
        if moment is None:
            raise ValidationError("Must be an RFC 3339 time with an offset, or whole milliseconds since 1970.")
        if moment < EPOCH:
            raise ValidationError("Must not be before 1970.")
        return moment


class QueryMoment(Moment):
    """A point in time in a query string, where milliseconds are a text too."""

    FORMS = (Moment.FORMS[0], {"type": "string", "pattern": "^([0-9]{1,9}|[0-9]{11,14})$"})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        if isinstance(value, str) and _IS_MILLISECONDS(value):
            value = int(value)
        return super()._deserialize(value, *args, **kwargs)


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
