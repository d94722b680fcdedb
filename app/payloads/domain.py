"""Payload schemas and the errors they find in a payload; the rules of all producers. Pure.

Validation takes at most the number of subschemas times the number of values, and for patterns the number of
instructions times the bytes of the matched texts. Both products are limited.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from jsonschema import ValidationError
from referencing import Registry

from app.payloads.documents import (
    NOTHING,
    BadSchema,
    check,
    check_contents,
    count_subschemas,
    resolve_references,
    shorten,
)
from app.payloads.keywords import OWN_KEYWORDS, PatternBudgetExceeded, PayloadValidator, pattern_budget
from app.shared import exact_json
from app.shared.errors import FieldError, MalformedJson, json_pointer

VERSION: Final = re.compile(r"[A-Za-z0-9._-]{1,20}")
"""The form of a signal's version."""

MAX_BYTES: Final = 65_536
MAX_STEPS: Final = 300_000
MAX_ERRORS: Final = 20


@dataclass(frozen=True)
class PayloadJsonSchema:
    """One schema. `text` is its JSON."""

    text: str
    document: Mapping[str, Any]
    defect: str = ""
    """Why this release cannot use a stored schema, if it cannot. Such a schema accepts every payload."""

    @classmethod
    def stored(cls, text: str) -> PayloadJsonSchema:
        """A stored schema, perhaps accepted by a release with other rules. An invalid one gets a defect."""
        try:
            document = exact_json.loads(text.encode())
            check_contents(document)
        except MalformedJson as error:
            return cls(text, {}, error.detail)
        except BadSchema as error:
            return cls(text, {}, str(error))
        return cls(text, document)

    @classmethod
    def read(cls, body: bytes) -> PayloadJsonSchema:
        """A new schema. Raises BadSchema for what is too large, not JSON or not a supported schema."""
        if len(body) > MAX_BYTES:
            raise BadSchema("", f"larger than {MAX_BYTES} bytes")
        try:
            document = exact_json.loads(body)
        except MalformedJson as error:
            raise BadSchema("", error.detail) from error
        check(document)
        return cls(body.decode(), document)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def errors(self, payload: Mapping[str, Any]) -> list[FieldError]:
        """The first MAX_ERRORS errors of a payload, with pointers below /payload."""
        if self._size * _count(payload) > MAX_STEPS:
            return [FieldError("/payload", "Has too many values for its schema.")]
        try:
            with pattern_budget():
                errors = list(itertools.islice(self._validator.iter_errors(payload), MAX_ERRORS))
        except PatternBudgetExceeded:
            return [FieldError("/payload", "Has too much text for the patterns of its schema.")]
        return [FieldError(json_pointer("payload", *error.absolute_path), _message(error)) for error in errors]

    @cached_property
    def _size(self) -> int:
        return count_subschemas(self.document)

    @cached_property
    def _validator(self) -> Any:
        # With an empty registry a remote reference is an error; without one the library may fetch it.
        return PayloadValidator(resolve_references(self.document), registry=Registry())


@dataclass(frozen=True)
class Rules:
    """All schemas by producer and version, and the strict producers, whose versions must have a schema."""

    schemas: Mapping[tuple[str, str], PayloadJsonSchema] = field(default_factory=dict)
    strict: frozenset[str] = frozenset()

    def errors(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> list[FieldError]:
        """Errors of a signal's payload, or of its version if the producer is strict and the version has no schema."""
        schema = self.schemas.get((producer_id, version))
        if schema is not None:
            return schema.errors(payload)
        if producer_id in self.strict:
            versions = sorted(version for producer, version in self.schemas if producer == producer_id)
            return [
                FieldError("/version", f"Must be one with a schema: {', '.join(versions[:20]) or 'there is none'}.")
            ]
        return []


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(map(_count, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_count, value))
    return 1


def _message(error: ValidationError) -> str:
    """What the schema requires, without the value that was sent: it may be long or secret."""
    keyword, required = str(error.validator), error.validator_value
    if error.schema == NOTHING:
        return "Must not be present."
    if keyword in OWN_KEYWORDS:
        return shorten(error.message)
    if keyword in _MESSAGES:
        return shorten(_MESSAGES[keyword](required))
    return f"Must match {keyword!r} of the schema."


def _types(types: Any) -> str:
    return f"Must be of type {' or '.join(types if isinstance(types, list) else [types])}."


def _json(value: Any) -> str:
    return exact_json.dumps(value).decode()


_MESSAGES: Final[Mapping[str, Callable[[Any], str]]] = {
    "type": _types,
    "enum": lambda value: f"Must be one of: {', '.join(map(_json, value))}.",
    "const": lambda value: f"Must be {_json(value)}.",
    "minimum": lambda value: f"Must be at least {_json(value)}.",
    "maximum": lambda value: f"Must be at most {_json(value)}.",
    "exclusiveMinimum": lambda value: f"Must be greater than {_json(value)}.",
    "exclusiveMaximum": lambda value: f"Must be less than {_json(value)}.",
    "minLength": lambda value: f"Must have at least {value} characters.",
    "maxLength": lambda value: f"Must have at most {value} characters.",
    "minItems": lambda value: f"Must have at least {value} items.",
    "maxItems": lambda value: f"Must have at most {value} items.",
    "minProperties": lambda value: f"Must have at least {value} fields.",
    "maxProperties": lambda value: f"Must have at most {value} fields.",
}
