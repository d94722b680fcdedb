"""The JSON Schema validator of payloads: draft 2020-12, exact with decimals, and never slow on hostile values.

The library's own patterns backtrack without end, its unique items take time by the square, and its multiples break on
large decimals. These keywords are ours; so are those that can name the one property that is wrong.

A check that may match patterns runs inside `pattern_budget`, which bounds the steps of all matches together.
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
"""Instructions of patterns times bytes of the texts they are tried on, for one payload. A step takes 25 ns at worst."""
STEPS_OF_A_CALL: Final = 200
"""What a match of an empty text costs, in the same unit."""

_steps_left: ContextVar[int] = ContextVar("steps_left")

Errors = Iterator[ValidationError]


class PatternBudgetExceeded(Exception):
    """The patterns of a schema and the texts of a payload together are more than may be matched."""


@contextmanager
def pattern_budget() -> Iterator[None]:
    """Bounds the steps of all matches inside the block: beyond MAX_PATTERN_STEPS, PatternBudgetExceeded is raised."""
    token = _steps_left.set(MAX_PATTERN_STEPS)
    try:
        yield
    finally:
        _steps_left.reset(token)


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


def _dependent_required(validator: Any, needs: Mapping[str, list[str]], value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "object"):
        for name, needed in needs.items():
            if name in value:
                lacking = (other for other in needed if other not in value)
                yield from (ValidationError(f"Needed beside {name}.", path=(other,)) for other in lacking)


def _multiple_of(validator: Any, divisor: int | Decimal, value: Any, _schema: Any) -> Errors:
    if validator.is_type(value, "number") and Fraction(value) % Fraction(divisor):
        yield ValidationError(f"Must be a multiple of {divisor}.")


def _unique_items(validator: Any, wanted: Any, value: Any, _schema: Any) -> Errors:
    if wanted and validator.is_type(value, "array") and len({_key(item) for item in value}) < len(value):
        yield ValidationError("Must not hold the same value twice.")


def _matches(pattern: str, text: str) -> bool:
    """Whether the pattern is found in the text. Raises PatternBudgetExceeded."""
    compiled, encoded = compile_pattern(pattern), text.encode()
    left = _steps_left.get() - STEPS_OF_A_CALL - compiled.instructions * len(encoded)
    if left < 0:
        raise PatternBudgetExceeded
    _steps_left.set(left)
    return compiled.matches(encoded)


def _key(value: Any) -> Any:
    """A hashable stand-in that is equal for equal JSON values: 1 is 1.0, and true is not 1."""
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
"""Keywords whose messages are fit to be shown as they are."""
