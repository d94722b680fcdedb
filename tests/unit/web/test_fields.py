"""The fields that several slices share, in a schema loaded by marshmallow itself."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from marshmallow import Schema, ValidationError

from app.web.http.fields import Instrument, PatternText
from config import ROOT

SOURCES = sorted((ROOT / "app").rglob("*.py"))


class Example(Schema):
    instrument = Instrument()
    name = PatternText("[a-z]{1,3}", "1-3 of a-z", metadata={"description": "a name"})


def errors_of(document: dict[str, Any]) -> Any:
    with pytest.raises(ValidationError) as refused:
        Example().load(document)
    return refused.value.messages


def test_an_instrument_is_loaded_in_upper_case() -> None:
    assert Example().load({"instrument": "eur/usd"}) == {"instrument": "EUR/USD"}


@pytest.mark.parametrize("value", ["", "A B", "straße", "AAPL\n", "A" * 33])
def test_an_invalid_instrument_is_refused_with_the_rule(value: str) -> None:
    assert errors_of({"instrument": value}) == {"instrument": ["Must be 1-32 of A-Z 0-9 . _ / : -."]}


@pytest.mark.parametrize("value", ["", "abcd", "a\n", "\na", "A"])
def test_a_text_must_match_its_pattern_from_end_to_end(value: str) -> None:
    assert Example().load({"name": "abc"}) == {"name": "abc"}
    assert errors_of({"name": value}) == {"name": ["Must be 1-3 of a-z."]}


@pytest.mark.parametrize("name", ["instrument", "name"])
def test_what_is_no_text_is_refused_as_marshmallow_does(name: str) -> None:
    assert errors_of({name: 5}) == {name: ["Not a valid string."]}
    assert errors_of({name: None}) == {name: ["Field may not be null."]}


def test_fields_document_their_pattern_and_rule() -> None:
    assert Example().fields["name"].metadata == {"pattern": "^[a-z]{1,3}$", "description": "a name"}
    assert Example().fields["instrument"].metadata["pattern"] == "^[A-Za-z0-9._/:-]{1,32}$"


def test_private_methods_of_fields_and_schemas_are_overridden_but_never_called_on_others() -> None:
    """`_deserialize` and `_serialize` are marshmallow's documented hooks: a field may call its base class's only."""
    calls = [
        (path.relative_to(ROOT).as_posix(), node.lineno)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"_deserialize", "_serialize", "_validate", "_do_load"}
        and not (isinstance(node.func.value, ast.Call) and ast.unparse(node.func.value.func) == "super")
    ]
    assert calls == []
