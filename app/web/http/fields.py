"""Marshmallow fields that several slices use."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields

from app.shared.instruments import INSTRUMENT_PATTERN, INSTRUMENT_RULE, normalize_instrument


class PatternText(fields.String):
    """A text that matches `pattern` from its first to its last character; `rule` says the same in words.

    The pattern is searched for with Python's `re` and documented as a JSON Schema pattern: use what both read alike.
    """

    def __init__(self, pattern: str, rule: str, *, metadata: dict[str, Any] | None = None, **options: Any) -> None:
        documented = {"pattern": f"^{pattern}$", "description": rule} | (metadata or {})
        super().__init__(metadata=documented, **options)
        self._matches = re.compile(pattern).fullmatch
        self._error = f"Must be {rule}."

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        if not self._matches(text):
            raise ValidationError(self._error)
        return text


class Instrument(fields.String):
    """The name of an instrument, in upper case."""

    def __init__(self, **options: Any) -> None:
        documented = {
            "pattern": f"^{INSTRUMENT_PATTERN}$",
            "description": f"{INSTRUMENT_RULE}; upper-cased",
            "example": "AAPL",
        }
        super().__init__(metadata=documented, **options)

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, *args, **kwargs)
        try:
            return normalize_instrument(text)
        except ValueError as error:
            raise ValidationError(f"Must be {error}.") from error
