"""Schema documents: which are accepted, how many subschemas they have, and how references are resolved. Pure.

References lead into the document's own `$defs` and form no cycle, so that a schema is a finite tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, SchemaError

from app.payloads.patterns import BadPattern, compile_pattern
from app.shared.errors import json_pointer

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_SUBSCHEMAS: Final = 1_000
MAX_DEPTH: Final = 24
MAX_QUOTED_LENGTH: Final = 200
NOTHING: Final[Mapping[str, Any]] = {"not": {}}
"""The schema that no value matches."""

_REFUSED_KEYWORDS: Final = (
    *("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_SCHEMA_KEYWORDS: Final = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_LIST_KEYWORDS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAP_KEYWORDS: Final = ("dependentSchemas", "patternProperties", "properties")
_DEFINITIONS: Final = "#/$defs/"
_DROPPED_KEYWORDS: Final = ("$ref", "$defs", "$id", "$schema")


class BadSchema(ValueError):
    """A document that is not accepted as a schema: a JSON pointer to the cause, and the reason."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}" if pointer else reason)


def check(document: Any) -> None:
    """Raises BadSchema for a document that is no schema of draft 2020-12, has cyclic references or is too large."""
    if not isinstance(document, dict):
        raise BadSchema("", "not an object")
    if document.get("$schema", DRAFT) not in (DRAFT, f"{DRAFT}#"):
        raise BadSchema("/$schema", f"not {DRAFT}")
    try:
        # Without formats: the format "regex" would check patterns by Python's syntax, but they are RE2's.
        Draft202012Validator.check_schema(document, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        raise BadSchema(json_pointer(*error.absolute_path), shorten(error.message)) from error
    check_contents(document)


def check_contents(document: Mapping[str, Any]) -> None:
    """Raises BadSchema for unsupported keywords, patterns and references, and for a schema that is too large."""
    if count_subschemas(document) > MAX_SUBSCHEMAS:
        raise BadSchema("", f"more than {MAX_SUBSCHEMAS} subschemas, references resolved")
    for name, definition in document.get("$defs", {}).items():
        _count(document, definition, ("$defs", name), 0)


def count_subschemas(document: Mapping[str, Any]) -> int:
    """The number of subschemas, references resolved. Above MAX_SUBSCHEMAS it is only a lower bound."""
    return _count(document, document, (), 0)


def shorten(text: str) -> str:
    """A text for an error message, cut after MAX_QUOTED_LENGTH characters."""
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."


def resolve_references(document: Mapping[str, Any]) -> Any:
    """A checked document with its references replaced by what they refer to.

    Resolving them for every payload takes longer than the rest of the validation. A definition that is referred to
    more than once is one shared object.
    """
    return _resolve(document, document, {})


def _count(root: Mapping[str, Any], schema: Any, path: tuple[str, ...], depth: int) -> int:
    """The number of subschemas of a schema, itself, inner and referred ones. Raises BadSchema for unaccepted parts.

    Stops counting soon after MAX_SUBSCHEMAS.
    """
    if not isinstance(schema, dict):
        return 1
    if depth > MAX_DEPTH:
        raise BadSchema(json_pointer(*path), f"nested deeper than {MAX_DEPTH} or cyclic")
    _check_keywords(schema, path)
    total = 1
    for inner_path, inner in _inner(root, schema, path):
        total += _count(root, inner, inner_path, depth + 1)
        if total > MAX_SUBSCHEMAS:
            break
    return total


def _check_keywords(schema: Mapping[str, Any], path: tuple[str, ...]) -> None:
    for name in _REFUSED_KEYWORDS:
        if name in schema:
            raise BadSchema(json_pointer(*path, name), "this keyword is not supported")
    if path and "$id" in schema:
        raise BadSchema(json_pointer(*path, "$id"), "only the root schema may have one")
    if "pattern" in schema:
        _check_pattern(schema["pattern"], (*path, "pattern"))
    for text in schema.get("patternProperties", {}):
        _check_pattern(text, (*path, "patternProperties", text))


def _check_pattern(text: str, path: tuple[str, ...]) -> None:
    try:
        compile_pattern(text)
    except BadPattern as error:
        raise BadSchema(shorten(json_pointer(*path)), f"the pattern {shorten(text)}: {error}") from error


def _inner(
    root: Mapping[str, Any], schema: Mapping[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas directly inside a schema and the one it refers to, each with its path."""
    for name in _SCHEMA_KEYWORDS:
        if name in schema:
            yield (*path, name), schema[name]
    for name in _LIST_KEYWORDS:
        for index, inner in enumerate(schema.get(name, ())):
            yield (*path, name, str(index)), inner
    for name in _MAP_KEYWORDS:
        for key, inner in schema.get(name, {}).items():
            yield (*path, name, key), inner
    if "$ref" in schema:
        yield _referred(root, schema["$ref"], path)


def _referred(root: Mapping[str, Any], reference: str, path: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
    name = reference.removeprefix(_DEFINITIONS)
    if name == reference or "/" in name or "~" in name or "%" in name or name not in root.get("$defs", {}):
        raise BadSchema(json_pointer(*path, "$ref"), f"{shorten(reference)} is not {_DEFINITIONS}NAME of this schema")
    return ("$defs", name), root["$defs"][name]


def _resolve(root: Mapping[str, Any], schema: Any, resolved: dict[str, Any]) -> Any:
    if schema is False:
        # jsonschema reports the errors of a false schema without their path, those of this one with it.
        return NOTHING
    if not isinstance(schema, dict):
        return schema
    merged = {name: value for name, value in schema.items() if name not in _DROPPED_KEYWORDS}
    for name, value in merged.items():
        if name in _SCHEMA_KEYWORDS and value is not False:
            merged[name] = _resolve(root, value, resolved)
        elif name in _LIST_KEYWORDS:
            merged[name] = [_resolve(root, inner, resolved) for inner in value]
        elif name in _MAP_KEYWORDS:
            merged[name] = {key: _resolve(root, inner, resolved) for key, inner in value.items()}
    if "$ref" not in schema:
        return merged
    referred = _definition(root, schema["$ref"], resolved)
    return {**merged, "allOf": [*merged.get("allOf", ()), referred]} if merged else referred


def _definition(root: Mapping[str, Any], reference: str, resolved: dict[str, Any]) -> Any:
    name = reference.removeprefix(_DEFINITIONS)
    if name not in resolved:
        resolved[name] = _resolve(root, root["$defs"][name], resolved)
    return resolved[name]
