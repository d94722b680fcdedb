"""Marshmallow fields that several slices use, and the schema that loads them directly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from marshmallow import RAISE, Schema, ValidationError, fields, missing, validate

from app.shared.instruments import INSTRUMENT_PATTERN, INSTRUMENT_RULE, normalize_instrument


class ParsedField(fields.Field[Any]):
    """A field that does all its work in `parse`: it has no validators and nothing to run before or after."""

    def parse(self, value: Any) -> Any:
        """The value of a parsed JSON value other than null. Raises ValidationError."""
        raise NotImplementedError

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return self.parse(value)


class FlatSchema(Schema):
    """An object whose fields are all ParsedFields. Unknown keys are refused where `unknown` is RAISE.

    `load` calls the fields' `parse` itself and leaves out what no field here has: hooks, renamed and dotted keys,
    partial loading, lists of validators. A batch of signals takes a third less time so.
    """

    def load(self, data: Any, **_options: Any) -> dict[str, Any]:
        """The values by field. Raises ValidationError with the messages by field, and the valid values."""
        if not isinstance(data, dict):
            raise ValidationError({"_schema": [self.error_messages["type"]]})
        values: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, field in self.load_fields.items():
            raw = data.get(name, missing)
            try:
                if raw is missing or raw is None:
                    value = field.deserialize(raw, name, data)
                else:
                    value = cast("ParsedField", field).parse(raw)
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


class Text(ParsedField, fields.String):
    """A text of `low` to `high` characters."""

    def __init__(self, low: int, high: int, **options: Any) -> None:
        super().__init__(metadata={"minLength": low, "maxLength": high} if low else {"maxLength": high}, **options)
        self._check_length = validate.Length(low or None, high)

    def parse(self, value: Any) -> str:
        text = read_text(self, value)
        self._check_length(text)
        return text


class Choice(ParsedField, fields.String):
    """A text that is one of `choices`."""

    def __init__(self, choices: Sequence[str], **options: Any) -> None:
        super().__init__(metadata={"enum": list(choices)}, **options)
        self._choices = frozenset(choices)
        self._error = f"Must be one of: {', '.join(choices)}."

    def parse(self, value: Any) -> str:
        text = read_text(self, value)
        if text not in self._choices:
            raise ValidationError(self._error)
        return text


class PatternText(ParsedField, fields.String):
    """A text that matches `pattern` from its first to its last character; `rule` says the same in words.

    The pattern is searched for with Python's `re` and documented as a JSON Schema pattern: use what both read alike.
    """

    def __init__(self, pattern: str, rule: str, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        documented = {"pattern": f"^{pattern}$", "description": rule} | (metadata or {})
        super().__init__(metadata=documented, **options)
        self._matches = re.compile(pattern).fullmatch
        self._error = f"Must be {rule}."

    def parse(self, value: Any) -> str:
        text = read_text(self, value)
        if not self._matches(text):
            raise ValidationError(self._error)
        return text


class Instrument(ParsedField, fields.String):
    """The name of an instrument, in upper case."""

    def __init__(self, **options: Any) -> None:
        documented = {
            "pattern": f"^{INSTRUMENT_PATTERN}$",
            "description": f"{INSTRUMENT_RULE}; upper-cased",
            "example": "AAPL",
        }
        super().__init__(metadata=documented, **options)

    def parse(self, value: Any) -> str:
        text = read_text(self, value)
        try:
            return normalize_instrument(text)
        except ValueError as error:
            raise ValidationError(f"Must be {error}.") from error


def read_text(field: fields.String, value: Any) -> str:
    """The value if it is a text. Raises ValidationError with the field's own message."""
    if not isinstance(value, str):
        raise field.make_error("invalid")
    return value
