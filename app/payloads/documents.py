"""Schema documents: which are taken, how large they are, and the same with every reference written out. Pure.

References lead into the document's own `$defs` and never in a circle, so that a schema is a finite tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, SchemaError

from app.payloads.patterns import BadPattern, compile_pattern

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
MAX_SUBSCHEMAS: Final = 1_000
MAX_DEPTH: Final = 24
MAX_QUOTED_LENGTH: Final = 200
NOTHING: Final[Mapping[str, Any]] = {"not": {}}
"""The schema that nothing fits."""

_REFUSED: Final = (
    *("$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$vocabulary"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_ONE: Final = ("additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then")
_LISTS: Final = ("allOf", "anyOf", "oneOf", "prefixItems")
_MAPS: Final = ("dependentSchemas", "patternProperties", "properties")
_DEFINITIONS: Final = "#/$defs/"
_NOT_NEEDED: Final = ("$ref", "$defs", "$id", "$schema")


class BadSchema(ValueError):
    """A document that is not taken as a schema: where in it, as a JSON pointer, and why."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}" if pointer else reason)


def check(document: Any) -> None:
    """Raises BadSchema for what is no schema of draft 2020-12, is not finite, or too large."""
    if not isinstance(document, dict):
        raise BadSchema("", "not an object")
    if document.get("$schema", DRAFT) not in (DRAFT, f"{DRAFT}#"):
        raise BadSchema("/$schema", f"not {DRAFT}")
    try:
        # Without formats: patterns are RE2's, and not what Python takes for a regular expression.
        Draft202012Validator.check_schema(document, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        raise BadSchema(pointer(error.absolute_path), cut(error.message)) from error
    check_parts(document)


def check_parts(document: Mapping[str, Any]) -> None:
    """Raises BadSchema for keywords, patterns and references that are not accepted, and for a schema too large."""
    if size(document) > MAX_SUBSCHEMAS:
        raise BadSchema("", f"more than {MAX_SUBSCHEMAS} schemas when its references are followed")
    for name, definition in document.get("$defs", {}).items():
        _size(document, definition, ("$defs", name), 0)


def size(document: Mapping[str, Any]) -> int:
    """How many schemas there are, references followed; beyond MAX_SUBSCHEMAS only that it is more."""
    return _size(document, document, (), 0)


def pointer(path: Iterable[Any]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in path)


def cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTED_LENGTH else f"{text[:MAX_QUOTED_LENGTH]}..."


def written_out(document: Mapping[str, Any]) -> Any:
    """A checked document without references: to follow them for every payload takes longer than all the rest.

    What is referred to more than once is one object in several places.
    """
    return _without_references(document, document, {})


def _size(root: Mapping[str, Any], schema: Any, place: tuple[str, ...], depth: int) -> int:
    """How many schemas one is, those inside it and those it refers to counted; raises BadSchema for what is not taken.

    Stops counting soon after MAX_SUBSCHEMAS.
    """
    if not isinstance(schema, dict):
        return 1
    if depth > MAX_DEPTH:
        raise BadSchema(pointer(place), f"nested deeper than {MAX_DEPTH} or in a circle")
    _check_keywords(schema, place)
    total = 1
    for where, inner in _inner(root, schema, place):
        total += _size(root, inner, where, depth + 1)
        if total > MAX_SUBSCHEMAS:
            break
    return total


def _check_keywords(schema: Mapping[str, Any], place: tuple[str, ...]) -> None:
    for name in _REFUSED:
        if name in schema:
            raise BadSchema(pointer((*place, name)), "not taken here")
    if place and "$id" in schema:
        raise BadSchema(pointer((*place, "$id")), "only the whole schema may have one")
    if "pattern" in schema:
        _check_pattern(schema["pattern"], (*place, "pattern"))
    for text in schema.get("patternProperties", {}):
        _check_pattern(text, (*place, "patternProperties", text))


def _check_pattern(text: str, place: tuple[str, ...]) -> None:
    try:
        compile_pattern(text)
    except BadPattern as error:
        raise BadSchema(cut(pointer(place)), f"the pattern {cut(text)}: {error}") from error


def _inner(
    root: Mapping[str, Any], schema: Mapping[str, Any], place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The schemas directly inside one, and the one it refers to, each with its place."""
    for name in _ONE:
        if name in schema:
            yield (*place, name), schema[name]
    for name in _LISTS:
        for index, inner in enumerate(schema.get(name, ())):
            yield (*place, name, str(index)), inner
    for name in _MAPS:
        for key, inner in schema.get(name, {}).items():
            yield (*place, name, key), inner
    if "$ref" in schema:
        yield _referred(root, schema["$ref"], place)


def _referred(root: Mapping[str, Any], reference: str, place: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
    name = reference.removeprefix(_DEFINITIONS)
    if name == reference or "/" in name or "~" in name or "%" in name or name not in root.get("$defs", {}):
        raise BadSchema(pointer((*place, "$ref")), f"{cut(reference)} is not {_DEFINITIONS}NAME of this schema")
    return ("$defs", name), root["$defs"][name]


def _without_references(root: Mapping[str, Any], schema: Any, done: dict[str, Any]) -> Any:
    if schema is False:
        # The library forgets where a false schema stands, and not this one.
        return NOTHING
    if not isinstance(schema, dict):
        return schema
    whole = {name: value for name, value in schema.items() if name not in _NOT_NEEDED}
    for name, value in whole.items():
        if name in _ONE and value is not False:
            whole[name] = _without_references(root, value, done)
        elif name in _LISTS:
            whole[name] = [_without_references(root, inner, done) for inner in value]
        elif name in _MAPS:
            whole[name] = {key: _without_references(root, inner, done) for key, inner in value.items()}
    if "$ref" not in schema:
        return whole
    referred = _definition(root, schema["$ref"], done)
    return {**whole, "allOf": [*whole.get("allOf", ()), referred]} if whole else referred


def _definition(root: Mapping[str, Any], reference: str, done: dict[str, Any]) -> Any:
    name = reference.removeprefix(_DEFINITIONS)
    if name not in done:
        done[name] = _without_references(root, root["$defs"][name], done)
    return done[name]
