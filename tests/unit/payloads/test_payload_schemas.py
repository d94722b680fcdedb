"""Schemas of payloads: which are taken, and what they say."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.payloads import commands, patterns
from app.payloads import keywords as keywords_module
from app.payloads.documents import BadSchema
from app.payloads.domain import MAX_BYTES, MAX_ERRORS, PayloadJsonSchema, Rules
from app.shared import exact_json
from app.signals.api import schemas as signal_schemas

PRICE = {"type": "number", "exclusiveMinimum": 0.5, "multipleOf": 0.01}


def a_schema(**keywords: Any) -> PayloadJsonSchema:
    return PayloadJsonSchema.read(json.dumps(keywords).encode())


def errors(schema: PayloadJsonSchema, payload: str) -> dict[str, str]:
    return {error.pointer: error.message for error in schema.errors(exact_json.loads(payload.encode()))}


def test_a_valid_payload_has_no_errors():
    schema = a_schema(
        required=["stop_loss"],
        additionalProperties=False,
        properties={"stop_loss": {"$ref": "#/$defs/price"}, "legs": {"items": {"$ref": "#/$defs/price"}}},
        **{
            "$defs": {"price": PRICE},
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://a.b/c",
        },
    )
    assert errors(schema, '{"stop_loss": 1.07, "legs": [1, 2.50]}') == {}


@pytest.mark.parametrize(
    ("keywords", "payload", "expected"),
    [
        ({"required": ["a"]}, "{}", {"/payload/a": "Missing data for required field."}),
        ({"additionalProperties": False}, '{"a/b~": 1}', {"/payload/a~1b~0": "Unknown field."}),
        ({"dependentRequired": {"a": ["b"]}}, '{"a": 1}', {"/payload/b": "Required with a."}),
        ({"properties": {"a": {"type": "number"}}}, '{"a": "1"}', {"/payload/a": "Must be of type number."}),
        (
            {"properties": {"a": {"type": ["number", "null"]}}},
            '{"a": true}',
            {"/payload/a": "Must be of type number or null."},
        ),
        ({"properties": {"a": {"enum": ["x", 1.5]}}}, '{"a": 2}', {"/payload/a": 'Must be one of: "x", 1.5.'}),
        ({"properties": {"a": {"const": {"b": 1}}}}, '{"a": 2}', {"/payload/a": 'Must be {"b":1}.'}),
        ({"properties": {"a": {"minimum": 0.1}}}, '{"a": 0.09}', {"/payload/a": "Must be at least 0.1."}),
        ({"properties": {"a": {"maximum": 3}}}, '{"a": 3.01}', {"/payload/a": "Must be at most 3."}),
        ({"properties": {"a": PRICE}}, '{"a": 1.005}', {"/payload/a": "Must be a multiple of 0.01."}),
        ({"properties": {"a": {"maxLength": 1}}}, '{"a": "xy"}', {"/payload/a": "Must have at most 1 characters."}),
        ({"properties": {"a": {"pattern": "^x$"}}}, '{"a": "y"}', {"/payload/a": "Must match ^x$."}),
        (
            {"properties": {"a": {"uniqueItems": True}}},
            '{"a": [1, true, 1.0]}',
            {"/payload/a": "Must not contain the same value twice."},
        ),
        (
            {"properties": {"a": {"items": {"type": "string"}}}},
            '{"a": [1]}',
            {"/payload/a/0": "Must be of type string."},
        ),
        ({"properties": {"a": False}}, '{"a": 1}', {"/payload/a": "Must not be present."}),
        (
            {"prefixItems": [False], "properties": {"a": {"prefixItems": [False]}}},
            '{"a": [1]}',
            {"/payload/a/0": "Must not be present."},
        ),
        ({"patternProperties": {"^x-": {"type": "null"}}}, '{"x-a": 1}', {"/payload/x-a": "Must be of type null."}),
        (
            {"properties": {"a": {"not": {"type": "number"}}}},
            '{"a": 1}',
            {"/payload/a": "Must match 'not' of the schema."},
        ),
        ({"maxProperties": 1}, '{"a": 1, "b": 2}', {"/payload": "Must have at most 1 fields."}),
        ({"oneOf": [{"required": ["a"]}, {}]}, '{"a": 1}', {"/payload": "Must match 'oneOf' of the schema."}),
    ],
)
def test_an_error_names_its_place_and_what_the_schema_requires(keywords, payload, expected):
    assert errors(a_schema(**keywords), payload) == expected


def test_a_message_never_repeats_what_was_sent():
    schema = a_schema(properties={"a": {"type": "number", "pattern": "^x$", "maxLength": 3}})
    assert "hunter2" not in str(errors(schema, '{"a": "hunter2"}'))


def test_whole_decimals_are_integers_and_true_is_not():
    schema = a_schema(properties={"a": {"type": "integer"}})
    assert errors(schema, '{"a": 2.0}') == {}
    assert errors(schema, '{"a": 1e30}') == {}
    assert set(errors(schema, '{"a": 2.5}')) == set(errors(schema, '{"a": true}')) == {"/payload/a"}


@pytest.mark.parametrize("number", ["1e300", "1e-300", "-1e399", "123456789012345678901234567890.5", "0"])
def test_multiples_are_exact_for_any_number(number):
    schema = a_schema(properties={"a": {"multipleOf": 0.01}})
    is_multiple = number in ("1e300", "-1e399", "0", "123456789012345678901234567890.5")
    assert (errors(schema, f'{{"a": {number}}}') == {}) == is_multiple


def test_patterns_are_matched_with_texts_as_long_as_a_body():
    schema = a_schema(properties={"a": {"pattern": "y$"}}, patternProperties={"z$": False})
    assert errors(schema, json.dumps({"a": "x" * 31_000 + "y"})) == {}
    assert errors(schema, json.dumps({"a": "x" * 31_000})) == {"/payload/a": "Must match y$."}
    (pointer,) = errors(schema, json.dumps({"x" * 31_000 + "z": 1}))
    assert pointer.endswith("xz")


@pytest.mark.parametrize(
    ("keywords", "payload"),
    [
        # Patterns that fail without an error to end the check: all of them are tried on all texts.
        ({"items": {"not": {"anyOf": [{"pattern": "^[a-z]+[a-z]+[0-9]$"}] * 60}}}, ["a" * 250 + "!"] * 121),
        ({"items": {"not": {"anyOf": [{"pattern": "(a{1,30}){1,5}c"}] * 20}}}, ["a" * 1_000] * 30),
        ({"patternProperties": {f"^(a|b)*{number}$": {} for number in range(100)}}, {"a" * n: 1 for n in range(250)}),
        ({"items": {"not": {"anyOf": [{"pattern": "x"}] * 900}}}, [""] * 300),
    ],
)
def test_the_steps_of_all_patterns_together_are_bounded(keywords, payload, monkeypatch):
    """Counts the work of RE2: instructions of each pattern times the bytes of the text it is matched with."""
    steps = []
    matches = patterns.Pattern.matches

    def counted(pattern: patterns.Pattern, text: bytes) -> bool:
        steps.append(keywords_module.STEPS_PER_CALL + pattern.instructions * len(text))
        return matches(pattern, text)

    monkeypatch.setattr(patterns.Pattern, "matches", counted)
    schema = a_schema(properties={"a": keywords})
    assert errors(schema, json.dumps({"a": payload})) == {
        "/payload": "Has too much text for the patterns of its schema."
    }
    assert 0 < sum(steps) <= keywords_module.MAX_PATTERN_STEPS
    assert errors(schema, json.dumps({"a": payload[:1] if isinstance(payload, list) else {}})) == {}


def test_a_body_of_30_kilobytes_is_within_the_limit_of_usual_patterns():
    fields = {f"f{number}": {"pattern": r"^[\w .-]{1,60}$"} for number in range(420)}
    schema = a_schema(properties=fields)
    assert errors(schema, json.dumps(dict.fromkeys(fields, "x" * 60))) == {}


def test_the_number_of_errors_is_limited():
    schema = a_schema(additionalProperties=False)
    assert len(schema.errors({f"field{number}": 1 for number in range(1000)})) == MAX_ERRORS


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"[]", "not an object"),
        (b"true", "not an object"),
        (b"{", "line 1, column 2"),
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"type": "strin"}', "/type: "),
        (b'{"properties": {"a": {"minLength": -1}}}', "/properties/a/minLength: "),
        (b'{"$schema": "http://json-schema.org/draft-07/schema#"}', "/$schema: not https://json-schema.org/draft/2020"),
        (b'{"$schema": 1}', "/$schema: "),
        (b'{"$ref": "https://example.com/schema"}', "/$ref: https://example.com/schema is not #/$defs/NAME"),
        (b'{"properties": {"a": {"$ref": "#/properties/a"}}}', "/properties/a/$ref: "),
        (b'{"$ref": "#"}', "/$ref: "),
        (b'{"$ref": "#/$defs/none", "$defs": {"some": {}}}', "/$ref: "),
        (b'{"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}}', "/$defs/a/items: nested deeper than 24 or cyclic"),
        (b'{"unevaluatedProperties": false}', "/unevaluatedProperties: this keyword is not supported"),
        (b'{"items": {"$dynamicRef": "#a"}}', "/items/$dynamicRef: this keyword is not supported"),
        (b'{"items": {"$id": "a"}}', "/items/$id: only the root schema"),
        (b'{"properties": {"a": {"pattern": "(?=a)"}}}', "/properties/a/pattern: the pattern (?=a): invalid perl"),
        (b'{"$defs": {"a": {"pattern": "(a)\\\\1"}}}', "/$defs/a/pattern: the pattern"),
        (b'{"patternProperties": {"(?=a)": {}}}', "/patternProperties/(?=a): the pattern (?=a): invalid perl"),
        (b'{"a": "' + b"x" * MAX_BYTES + b'"}', "larger than 65536 bytes"),
    ],
)
def test_an_unsupported_schema_is_refused_with_a_pointer_and_a_reason(document, message):
    with pytest.raises(BadSchema) as refused:
        PayloadJsonSchema.read(document)
    assert message in str(refused.value)


def test_a_small_schema_whose_references_make_a_large_one_is_refused():
    levels = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(10)}
    with pytest.raises(BadSchema, match="more than 1000 subschemas, references resolved"):
        a_schema(**{"$ref": "#/$defs/d0", "$defs": levels | {"d10": {}}})


def test_a_reference_and_the_keywords_beside_it_both_apply():
    schema = a_schema(
        properties={"a": {"$ref": "#/$defs/short", "minLength": 2, "allOf": [{"pattern": "^x"}]}},
        **{"$defs": {"short": {"maxLength": 3}}},
    )
    assert errors(schema, '{"a": "xyz"}') == {}
    for wrong in ("x", "xyzz", "ayz"):
        assert set(errors(schema, json.dumps({"a": wrong}))) == {"/payload/a"}


def test_a_payload_with_too_many_values_for_its_schema_is_refused_without_validation():
    schema = a_schema(properties={"a": {"items": {"anyOf": [{"type": "string"}] * 100}}})
    assert errors(schema, json.dumps({"a": [1] * 8000})) == {"/payload": "Has too many values for its schema."}


@pytest.mark.parametrize(
    ("keywords", "payload"),
    [
        ({"uniqueItems": True}, [number if number % 2 else str(number) for number in range(6000)]),
        ({"uniqueItems": True}, [[number] if number % 2 else {"a": number} for number in range(3000)]),
        ({"items": {"anyOf": [{"type": "string"}] * 30}}, [1] * 9000),
        ({"items": {"multipleOf": 0.0001}}, ["1e399"] * 5000),
    ],
)
def test_no_payload_takes_long(keywords, payload):
    body = json.dumps({"a": payload}).replace('"1e399"', "1e399").encode()
    schema = a_schema(properties={"a": keywords})
    value = exact_json.loads(body)
    began = time.thread_time()
    schema.errors(value)
    assert time.thread_time() - began < 2


def test_a_producer_without_schemas_may_send_anything():
    assert Rules().errors("desk", "1", {"a": 1}) == []


def test_a_strict_producer_may_send_only_versions_that_have_a_schema():
    rules = Rules({("desk", "2"): a_schema(), ("other", "1"): a_schema()}, frozenset({"desk", "new"}))
    assert rules.errors("desk", "2", {}) == []
    assert [(error.pointer, error.message) for error in rules.errors("desk", "1", {})] == [
        ("/version", "Must be one with a schema: 2.")
    ]
    assert "there is none" in rules.errors("new", "1", {})[0].message


def test_a_schema_s_version_has_the_form_of_a_signal_s():
    assert commands._FORMS["version"].pattern == signal_schemas._VERSION[0]
    assert commands._FORMS["producer"].pattern == signal_schemas._PRODUCER[0]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", "ab", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
LEAVES = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "object", "array", "null", "boolean")),
        *(
            {"minimum": 0},
            {"maximum": 1},
            {"multipleOf": 2},
            {"pattern": "^a"},
            {"minLength": 1},
            {"uniqueItems": True},
        ),
        *(
            {"required": ["a"]},
            {"dependentRequired": {"a": ["b"]}},
            {"enum": [1, "a"]},
            {"const": False},
            {"$ref": "#/$defs/x"},
        ),
    ]
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        *(
            st.fixed_dictionaries({name: st.lists(inner, min_size=1, max_size=2)})
            for name in ("allOf", "anyOf", "oneOf")
        ),
        *(st.fixed_dictionaries({name: inner}) for name in ("not", "items", "contains", "additionalProperties")),
        st.fixed_dictionaries(
            {"properties": st.dictionaries(st.sampled_from("ab"), inner), "additionalProperties": inner}
        ),
        st.fixed_dictionaries({"patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner)}),
        st.fixed_dictionaries({"if": inner, "then": inner, "else": inner}),
        st.builds(lambda one, two: one | two, inner, inner),
    ),
    max_leaves=6,
)


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, st.dictionaries(st.sampled_from("abc"), VALUES))
def test_the_result_is_that_of_the_standard_validator(schema, payload):
    document = schema | {"$defs": {"x": {"type": ["string", "object"], "minLength": 1}}}
    ours = PayloadJsonSchema.read(json.dumps(document).encode())
    assert (ours.errors(payload) == []) == Draft202012Validator(document).is_valid(payload)
