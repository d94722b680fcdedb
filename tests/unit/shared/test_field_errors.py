"""Messages of schemas as JSON pointers."""

from __future__ import annotations

import pytest
from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length

from app.shared.errors import FieldError
from app.shared.field_errors import field_errors


class Level(Schema):
    price = fields.Float(required=True)


class Order(Schema):
    name = fields.String(required=True)
    levels = fields.List(fields.Nested(Level))
    tags = fields.Dict(keys=fields.String(validate=Length(max=3)), values=fields.Nested(Level))


def test_messages_of_a_schema_become_pointers() -> None:
    with pytest.raises(ValidationError) as raised:
        Order().load({"levels": [{"price": 1}, {"price": "x"}, {}], "a/b~c": 1})
    errors = {error.pointer: error.message for error in field_errors(raised.value.messages)}
    assert errors == {
        "/name": "Missing data for required field.",
        "/levels/1/price": "Not a valid number.",
        "/levels/2/price": "Missing data for required field.",
        "/a~1b~0c": "Unknown field.",
    }


def test_a_message_about_the_whole_points_at_the_whole() -> None:
    assert field_errors({"_schema": ["Invalid input type."]}) == [FieldError("", "Invalid input type.")]
    assert field_errors({"a": {"_schema": ["no"]}}) == [FieldError("/a", "no")]
    assert field_errors(["no"]) == [FieldError("", "no")]


def test_messages_about_a_dict_point_at_its_key() -> None:
    with pytest.raises(ValidationError) as raised:
        Order().load({"name": "a", "tags": {"long": {"price": 1}, "b": {"price": "x"}}})
    errors = field_errors(raised.value.messages, dict_fields={"/tags"})
    assert {error.pointer for error in errors} == {"/tags/long", "/tags/b/price"}


def test_fields_named_key_and_value_are_part_of_the_pointer() -> None:
    assert field_errors({"value": {"key": ["no"]}}, dict_fields={"/tags"}) == [FieldError("/value/key", "no")]
