"""A payload schema and what it says of a payload; the rules of all producers. Pure.

A schema costs at most its size times the values of the payload, and its patterns their instructions times the bytes of
the texts they are tried on. Both are limited.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from jsonschema import ValidationError
from referencing import Registry

from app.payloads.documents import NOTHING, BadSchema, check, check_parts, cut, pointer, size, written_out
from app.payloads.keywords import OWN_KEYWORDS, PatternBudgetExceeded, PayloadValidator, pattern_budget
from app.shared import exact_json
from app.shared.errors import FieldError, MalformedJson

MAX_BYTES: Final = 65_536
MAX_STEPS: Final = 300_000
MAX_ERRORS: Final = 20


@dataclass(frozen=True)
class PayloadSchema:
    """One schema. `text` is the JSON it was read from."""

    text: str
    document: Mapping[str, Any]
    defect: str = ""
    """Why a stored schema is of no use to this release. Such a schema accepts every payload."""

    @classmethod
    def stored(cls, text: str) -> PayloadSchema:
        """One that was accepted when it came, perhaps by a release with other rules. Never raises for its content."""
        try:
            document = exact_json.loads(text.encode())
            check_parts(document)
        except MalformedJson as error:
            return cls(text, {}, error.detail)
        except BadSchema as error:
            return cls(text, {}, str(error))
        return cls(text, document)

    @classmethod
    def read(cls, body: bytes) -> PayloadSchema:
        """Raises BadSchema for what is too large, not JSON, not a schema of draft 2020-12, or could cost too much."""
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
        """What does not fit, at most 20 of it, by pointers below /payload."""
        if self._size * _count(payload) > MAX_STEPS:
            return [FieldError("/payload", "Has too many values for its schema.")]
        try:
            with pattern_budget():
                found = list(itertools.islice(self._validator.iter_errors(payload), MAX_ERRORS))
        except PatternBudgetExceeded:
            return [FieldError("/payload", "Has too much text for the patterns of its schema.")]
        return [FieldError(pointer(("payload", *error.absolute_path)), _message(error)) for error in found]

    @cached_property
    def _size(self) -> int:
        return size(self.document)

    @cached_property
    def _validator(self) -> Any:
        # An empty registry: a reference to anywhere else is an error and never a request.
        return PayloadValidator(written_out(self.document), registry=Registry())


@dataclass(frozen=True)
class Rules:
    """All schemas by producer and version, and the producers whose versions must have one."""

    schemas: Mapping[tuple[str, str], PayloadSchema] = field(default_factory=dict)
    strict: frozenset[str] = frozenset()

    def errors(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> list[FieldError]:
        """What is wrong with a signal's payload, or with its version where the producer is strict."""
        schema = self.schemas.get((producer_id, version))
        if schema is not None:
            return schema.errors(payload)
        if producer_id in self.strict:
            known = sorted(version for producer, version in self.schemas if producer == producer_id)
            return [FieldError("/version", f"Must be one with a schema: {', '.join(known[:20]) or 'there is none'}.")]
        return []


def _count(value: Any) -> int:
    if isinstance(value, Mapping):
        return 1 + sum(map(_count, value.values()))
    if isinstance(value, list):
        return 1 + sum(map(_count, value))
    return 1


def _message(error: ValidationError) -> str:
    """Says what the schema wants and never repeats what was sent: that may be long, or a secret."""
    keyword, wanted = str(error.validator), error.validator_value
    if error.schema == NOTHING:
        return "Must not be there."
    if keyword in OWN_KEYWORDS:
        return cut(error.message)
    if keyword in _MESSAGES:
        return cut(_MESSAGES[keyword](wanted))
    return f"Must fit {keyword!r} of the schema."


def _types(wanted: Any) -> str:
    return f"Must be of type {' or '.join(wanted if isinstance(wanted, list) else [wanted])}."


def _json(value: Any) -> str:
    return exact_json.dumps(value).decode()


_MESSAGES: Final[Mapping[str, Callable[[Any], str]]] = {
    "type": _types,
    "enum": lambda wanted: f"Must be one of: {', '.join(map(_json, wanted))}.",
    "const": lambda wanted: f"Must be {_json(wanted)}.",
    "minimum": lambda wanted: f"Must be at least {_json(wanted)}.",
    "maximum": lambda wanted: f"Must be at most {_json(wanted)}.",
    "exclusiveMinimum": lambda wanted: f"Must be greater than {_json(wanted)}.",
    "exclusiveMaximum": lambda wanted: f"Must be less than {_json(wanted)}.",
    "minLength": lambda wanted: f"Must have at least {wanted} characters.",
    "maxLength": lambda wanted: f"Must have at most {wanted} characters.",
    "minItems": lambda wanted: f"Must have at least {wanted} items.",
    "maxItems": lambda wanted: f"Must have at most {wanted} items.",
    "minProperties": lambda wanted: f"Must have at least {wanted} fields.",
    "maxProperties": lambda wanted: f"Must have at most {wanted} fields.",
}
