"""The JSON Schema validator of payloads: draft 2020-12, exact with decimals, and fast for hostile values too.

It replaces keywords of jsonschema: patterns, which may backtrack without end; uniqueItems, which takes quadratic time;
multipleOf, which fails for large decimals; and those whose errors can point to a single property.

Validation runs inside `pattern_budget`, which limits the steps of all pattern matches together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from jsonschema import Draft202012Validator, ValidationError, validators

from app.payloads.patterns import compile_pattern

UNKNOWN: Final = "Unknown field."
MISSING: Final = "Missing data for required field."

MAX_PATTERN_STEPS: Final = 10_000_000
"""Limit for one payload: instructions of patterns times bytes of the matched texts. A step takes at most 25 ns."""
STEPS_PER_CALL: Final = 200
"""The cost of matching an empty text, in steps."""

_remaining_steps: ContextVar[int] = ContextVar("remaining_steps")

Errors = Iterator[ValidationError]


class PatternBudgetExceeded(Exception):
    """Matching the patterns of a schema with the texts of a payload takes more steps than allowed."""


@contextmanager
def pattern_budget() -> Iterator[None]:
    """Limits the steps of all matches inside the block to MAX_PATTERN_STEPS. Raises PatternBudgetExceeded."""
    token = _remaining_steps.set(MAX_PATTERN_STEPS)
    try:
        yield
    finally:
        _remaining_steps.reset(token)


def _pattern(validator: Any, pattern: str, value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "string") and not _matches(pattern, value):
        yield ValidationError(f"Must match {pattern}.")


def _pattern_properties(validator: Any, patterns: Mapping[str, Any], value: Any, _schema: Any) -> Errors:
    if not validator.is_type(value, "object"):
        return
    for pattern, inner in patterns.items():
        for name, member in value.items():
            if _matches(pattern, name):
                yield from validator.descend(member, inner, path=name, schema_path=pattern)


def _additional_properties(validator: Any, inner: Any, value: Any, schema: Mapping[str, Any]) -> Errors:
    if not validator.is_type(value, "object"):
        return
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, member in value.items():
        if name in named or any(_matches(pattern, name) for pattern in patterns):
            continue
        if inner is False:
            yield ValidationError(UNKNOWN, path=(name,))
        else:
            yield from validator.descend(member, inner, path=name)


def _required(validator: Any, names: list[str], value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "object"):
        yield from (ValidationError(MISSING, path=(name,)) for name in names if name not in value)


def _dependent_required(validator: Any, dependencies: Mapping[str, list[str]], value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "object"):
        for name, dependents in dependencies.items():
            if name in value:
                absent = (other for other in dependents if other not in value)
                yield from (ValidationError(f"Required with {name}.", path=(other,)) for other in absent)


def _multiple_of(validator: Any, divisor: int | Decimal, value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "number") and Fraction(value) % Fraction(divisor):
        yield ValidationError(f"Must be a multiple of {divisor}.")


def _unique_items(validator: Any, required: Any, value: Any, _schema: Any) -> Errors:
    if required and validator.is_type(value, "array") and len({_key(item) for item in value}) < len(value):
        yield ValidationError("Must not contain the same value twice.")


def _matches(pattern: str, text: str) -> bool:
    """Whether the pattern matches anywhere in the text. Raises PatternBudgetExceeded."""
    compiled, encoded = compile_pattern(pattern), text.encode()
    remaining = _remaining_steps.get() - STEPS_PER_CALL - compiled.instructions * len(encoded)
    if remaining < 0:
        raise PatternBudgetExceeded
    _remaining_steps.set(remaining)
    return compiled.matches(encoded)


def _key(value: Any) -> Any:
    """A hashable key, equal for equal JSON values: 1 equals 1.0, and true does not equal 1."""
    if isinstance(value, dict):
        return "object", frozenset((name, _key(member)) for name, member in value.items())
    if isinstance(value, list):
        return "array", tuple(map(_key, value))
    if isinstance(value, bool):
        return "boolean", value
    return value


def _is_integer(_checker: Any, value: Any) -> bool:
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


PayloadValidator: Final = validators.extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    validators={
        "pattern": _pattern,
        "patternProperties": _pattern_properties,
        "additionalProperties": _additional_properties,
        "required": _required,
        "dependentRequired": _dependent_required,
        "multipleOf": _multiple_of,
        "uniqueItems": _unique_items,
    },
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)
OWN_KEYWORDS: Final = frozenset(
    {"pattern", "additionalProperties", "required", "dependentRequired", "multipleOf", "uniqueItems"}
)
"""Keywords that are replaced here. Their messages do not repeat the value that was sent."""
