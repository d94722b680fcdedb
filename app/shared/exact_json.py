"""JSON reader and writer: strict when reading, exact decimals both ways."""

from __future__ import annotations

import json
import math
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import orjson

from app.shared.errors import MalformedJson

MAX_DEPTH: Final = 16
MAX_DIGITS: Final = 400
MAX_INT64_DIGITS: Final = 18


def loads(body: bytes, *, exact: bool = True, max_depth: int = MAX_DEPTH) -> Any:
    """Parse UTF-8 JSON; numbers with a point or an exponent become Decimal, or float where not `exact`.

    Columns of bars become floats anyway: 100,000 Decimals on the way would cost a tenth of a second.

    Raises MalformedJson for: other encodings, a BOM, duplicate keys, NUL and
    lone surrogates in texts, NaN and infinities, numbers of more than 400 digits, nesting deeper than `max_depth`.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from error
    if text.startswith("\ufeff"):
        raise MalformedJson("starts with a byte order mark")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_float=_decimal if exact else _float,
            parse_int=_integer,
            parse_constant=_constant,
        )
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except RecursionError as error:
        raise MalformedJson(f"nested deeper than {max_depth}") from error
    if text.count("{") + text.count("[") > max_depth:
        _check_depth(value, max_depth, max_depth)
    # NUL and lone surrogates can only come from escapes.
    if "\\u" in text:
        _check_texts(value)
    return value


def dumps(value: Any) -> bytes:
    """Compact JSON. Decimals are written as numbers with every digit they have."""
    return orjson.dumps(value, default=_fragment)


def _fragment(value: Any) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise MalformedJson(f"the key {name[:64]!r} stands twice in one object")
    return members


def _decimal(text: str) -> Decimal:
    if len(text) > MAX_DIGITS:
        raise MalformedJson(f"a number of more than {MAX_DIGITS} digits")
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise MalformedJson("a number too large to keep") from error
    if abs(number.adjusted()) > MAX_DIGITS:
        raise MalformedJson("a number too large or too small to keep")
    return number


def _float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise MalformedJson("a number too large to keep")
    return number


def _integer(text: str) -> int | Decimal:
    """An int where it fits into 64 bits, which the writer needs; else a Decimal."""
    return int(text) if len(text) <= MAX_INT64_DIGITS else _decimal(text)


def _constant(text: str) -> Any:
    raise MalformedJson(f"{text} is not JSON")


def _check_depth(value: Any, remaining: int, max_depth: int) -> None:
    if not isinstance(value, dict | list):
        return
    if remaining == 0:
        raise MalformedJson(f"nested deeper than {max_depth}")
    for item in value.values() if isinstance(value, dict) else value:
        # Tested before the call: most items are neither, and a call costs several times the test.
        if isinstance(item, dict | list):
            _check_depth(item, remaining - 1, max_depth)


def _check_texts(value: Any) -> None:
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check_texts(item)
    elif isinstance(value, list):
        for item in value:
            _check_texts(item)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise MalformedJson("a text with a NUL")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise MalformedJson("a text with a lone surrogate")
