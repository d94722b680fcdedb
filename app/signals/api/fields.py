"""The values of a signal as marshmallow fields: each reads one kind of value exactly and says how it is documented."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar, Final

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validate

from app.shared.clock import from_epoch_ms
from app.signals.domain import MAX_DIGITS, MAX_LEVELS

_DECIMAL: Final = r"[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?"
_IS_DECIMAL: Final = re.compile(_DECIMAL).fullmatch
_MILLISECONDS: Final = r"[0-9]{1,15}"
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MILLISECOND: Final = 253_402_300_799_999
_SECONDS_OF_OUR_TIME: Final = range(1_000_000_000, 10_000_000_000)


class DirectSchema(Schema):
    """Loads as every schema does, but without hooks, renamed keys and partial loads, and so in a third of the time.

    An unknown key is refused where the schema's `unknown` is RAISE, and passed over otherwise. Of a field's validators
    the first that refuses the value is heard.
    """

    def load(self, data: Any, **_options: Any) -> Any:
        if not isinstance(data, dict):
            raise ValidationError({"_schema": [self.error_messages["type"]]})
        values, errors = self._load_fields(data)
        if self.unknown == RAISE:
            errors |= {name: [self.error_messages["unknown"]] for name in data if name not in self.load_fields}
        if errors:
            raise ValidationError(errors, data=data, valid_data=values)
        return values

    def _load_fields(self, data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, field in self.load_fields.items():
            given = data.get(name, missing)
            if given is missing and not field.required:
                if field.load_default is not missing:
                    values[name] = field.load_default
                continue
            try:
                values[name] = _read(field, given, name, data)
            except ValidationError as error:
                errors[name] = error.messages
        return values, errors


def _read(field: fields.Field[Any], given: Any, name: str, data: dict[str, Any]) -> Any:
    """As the field's own `deserialize` does, which makes a validator of its validators anew for each value."""
    if given is missing or given is None:
        return field.deserialize(given, name, data)
    value = field._deserialize(given, name, data)  # noqa: SLF001 - it has no public name
    for check in field.validators:
        check(value)
    for change in field.post_load:
        value = change(value)
    return value


class Fits(validate.Validator):
    """A text that is `pattern` from its first to its last character."""

    def __init__(self, pattern: str, told: str) -> None:
        self._pattern = re.compile(pattern)
        self._told = told

    def __call__(self, value: str) -> str:
        if not self._pattern.fullmatch(value):
            raise ValidationError(f"Must be {self._told}.")
        return value


class Text(fields.String):
    """A text of one pattern, documented with it."""

    def __init__(self, pattern: str, told: str, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        documented = {"pattern": f"^{pattern}$", "description": told} | (metadata or {})
        super().__init__(validate=Fits(pattern, told), metadata=documented, **options)


class Instrument(Text):
    """Upper-cased only after the check: that would turn letters which are not allowed into ones which are."""

    def __init__(self, **options: Any) -> None:
        told = "1-32 of A-Z 0-9 . _ / : -"
        example = {"description": f"{told}; upper-cased", "example": "AAPL"}
        super().__init__(r"[A-Za-z0-9._/:-]{1,32}", told, metadata=example, post_load=str.upper, **options)


class Flag(fields.Boolean):
    """true or false, and nothing that only looks like it."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Price(fields.Field[Any]):
    """A price greater than 0 as Decimal, exactly as it was written: as a number or as a text."""

    FORMS: Final = ({"type": "string", "pattern": f"^{_DECIMAL}$"}, {"type": "number", "exclusiveMinimum": 0})

    def __init__(self, **options: Any) -> None:
        told = f"greater than 0, at most {MAX_DIGITS} digits"
        super().__init__(metadata={"oneOf": list(self.FORMS), "description": told, "example": "187.20"}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return read_price(value)


class Levels(fields.Field[Any]):
    """One price or a list of prices, looked at and given back as it was sent."""

    def __init__(self, **options: Any) -> None:
        many = {"type": "array", "minItems": 1, "maxItems": MAX_LEVELS, "items": {"oneOf": list(Price.FORMS)}}
        told = f"a price, or a list of up to {MAX_LEVELS}"
        super().__init__(metadata={"oneOf": [*Price.FORMS, many], "description": told}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        if not isinstance(value, list):
            read_price(value)
        elif not 1 <= len(value) <= MAX_LEVELS:
            raise ValidationError(f"Must be 1 to {MAX_LEVELS} prices.")
        elif errors := {index: told for index, item in enumerate(value) if (told := _complaint(item))}:
            raise ValidationError(errors)
        return value


class Moment(fields.Field[datetime]):
    """A point in time since 1970: RFC 3339 with an offset, or milliseconds since the epoch."""

    FORMS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": 0, "maximum": _LAST_MILLISECOND},
    )

    def __init__(self, description: str = "", **options: Any) -> None:
        told = "; ".join(filter(None, ("RFC 3339 with an offset, or milliseconds since the epoch", description)))
        super().__init__(metadata={"oneOf": list(self.FORMS), "description": told}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> datetime:
        moment = _from_text(value) if isinstance(value, str) else _from_milliseconds(value)
        if moment is None:
            raise ValidationError("Must be an RFC 3339 time with an offset, or whole milliseconds since 1970.")
        if moment < _EPOCH:
            raise ValidationError("Must not be before 1970.")
        return moment


class QueryMoment(Moment):
    """The same in a query string, where milliseconds are a text like everything else."""

    FORMS = (Moment.FORMS[0], {"type": "string", "pattern": "^([0-9]{1,9}|[0-9]{11,14})$"})

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> datetime:
        if isinstance(value, str) and re.fullmatch(_MILLISECONDS, value):
            value = int(value)
        return super()._deserialize(value, *args, **kwargs)


def read_price(value: Any) -> Decimal:
    """A parsed JSON value as a price. Raises ValidationError. Never passes through a float."""
    if isinstance(value, str) and _IS_DECIMAL(value):
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValidationError("Must be a decimal number.")
    number = Decimal(value)
    if number <= 0:
        raise ValidationError("Must be greater than 0.")
    _, digits, exponent = number.as_tuple()
    # How many digits it takes to write it without an exponent, zeros before the point not counted.
    if max(len(digits) + max(int(exponent), 0), -int(exponent)) > MAX_DIGITS:
        raise ValidationError(f"Must have at most {MAX_DIGITS} digits.")
    return number if int(exponent) <= 0 else Decimal(format(number, "f"))


def _complaint(value: Any) -> list[str]:
    try:
        read_price(value)
    except ValidationError as error:
        return [str(message) for message in error.messages]
    return []


def _from_milliseconds(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LAST_MILLISECOND:
        return None
    if value in _SECONDS_OF_OUR_TIME:
        raise ValidationError("Must be milliseconds; these look like seconds.")
    return from_epoch_ms(value)


def _from_text(value: str) -> datetime | None:
    if not _RFC3339.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
