"""The blueprint: one schema parses a body and describes it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import Schema, fields

from app.web.http import problems
from app.web.http.body import read_json
from app.web.http.paging import PageQuery
from app.web.http.responses import ExactJson, json_response
from app.web.openapi import docs_page
from app.web.openapi.blueprint import Blueprint
from config import Settings


class Thing(Schema):
    name = fields.String(required=True)
    price = fields.Decimal()


class Small(Thing):
    body_limit = "charts_max_side"


@pytest.fixture
def small(unconnected: Flask) -> Any:
    """An application with three views over the same schema."""
    blueprint = Blueprint("things", __name__, url_prefix="/things", description="Things")

    @blueprint.route("", methods=["POST"])
    @blueprint.arguments(Thing)
    @blueprint.response(201, Thing)
    def parsed(thing: Any) -> Any:
        """Make a thing"""
        return thing

    @blueprint.route("/small", methods=["POST"])
    @blueprint.arguments(Small)
    def limited(thing: Any) -> Any:
        return json_response(thing)

    @blueprint.route("/raw", methods=["POST"])
    @blueprint.body(Thing, example={"name": "a"})
    @blueprint.response(200, Thing)
    def raw() -> Any:
        return json_response(read_json(100))

    @blueprint.route("", methods=["GET"])
    @blueprint.arguments(PageQuery, location="query")
    @blueprint.response(200, Thing)
    def listed(query: str) -> Any:
        return json_response(query)

    app = Flask("small")
    app.json = ExactJson(app)
    app.extensions |= {"signalbox": unconnected.extensions["signalbox"]}
    app.register_blueprint(docs_page.blueprint)
    docs_page.describe(app).register_blueprint(blueprint)
    problems.register(app)
    return app.test_client()


def test_a_parsed_body_is_read_exactly(small: FlaskClient) -> None:
    response = small.post("/things", data=b'{"name":"a","price":0.10}', content_type="application/json")
    assert response.status_code == 201
    assert response.data == b'{"name":"a","price":0.10}'
    assert response.get_json()["price"] == Decimal("0.10")


def test_a_wrong_body_is_a_problem_with_pointers(small: FlaskClient) -> None:
    response = small.post("/things", json={"price": "x", "more": 1})
    assert response.status_code == 422
    assert {error["pointer"] for error in json.loads(response.data)["errors"]} == {"/name", "/price", "/more"}


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_a_body_that_is_no_object_is_a_problem(small: FlaskClient, body: bytes) -> None:
    response = small.post("/things", data=body, content_type="application/json")
    assert response.status_code == 422
    assert json.loads(response.data)["errors"][0]["pointer"] == ""


@pytest.mark.parametrize("body", [b"", b"{", b'{"name":"a","name":"b"}'])
def test_a_body_that_is_not_strict_json_is_malformed(small: FlaskClient, body: bytes) -> None:
    response = small.post("/things", data=body, content_type="application/json")
    assert response.status_code == 400
    assert json.loads(response.data)["type"] == "/problems/malformed-json"


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 201),
        ("application/json; charset=utf-8", 201),
        ("application/vnd.thing+json", 201),
        ("text/json", 415),
        ("application/xml", 415),
        ("text/x+json", 415),
        (None, 415),
    ],
)
def test_a_body_must_have_a_json_media_type(small: FlaskClient, kind: Any, status: int) -> None:
    assert small.post("/things", data=b'{"name":"a"}', content_type=kind).status_code == status


@pytest.mark.parametrize(
    ("path", "limit"),
    [
        ("/things", Settings().signals_max_payload_bytes),
        ("/things/small", Settings().charts_max_side),
        ("/things/raw", 100),
    ],
)
def test_a_body_has_the_limit_its_schema_names(small: FlaskClient, path: str, limit: int) -> None:
    body = b'{"name":"' + b"a" * (limit - 11) + b'"}'
    assert small.post(path, data=body, content_type="application/json").status_code in {200, 201}
    assert small.post(path, data=body + b" ", content_type="application/json").status_code == 413


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "page=2", "limit=1&more=1", "cursor=" + "a" * 600])
def test_a_wrong_or_unknown_query_parameter_is_a_problem(small: FlaskClient, query: str) -> None:
    response = small.get(f"/things?{query}")
    assert response.status_code == 422
    assert json.loads(response.data)["type"] == "/problems/validation-failed"


def test_query_parameters_are_parsed(small: FlaskClient) -> None:
    assert small.get("/things?limit=3").get_json() == {"limit": 3}


def test_a_body_that_the_view_reads_is_in_the_document(small: FlaskClient) -> None:
    paths = json.loads(small.get("/openapi.json").data)["paths"]
    parsed, raw = paths["/things"]["post"], paths["/things/raw"]["post"]
    media_type = parsed["requestBody"]["content"]["application/json"]
    assert raw["requestBody"]["content"] == {"application/json": media_type | {"example": {"name": "a"}}}
    assert raw["requestBody"]["required"]
    assert "422" in raw["responses"]
    assert parsed["summary"] == "Make a thing"


def test_problems_are_documented_as_problems(small: FlaskClient) -> None:
    document = json.loads(small.get("/openapi.json").data)
    response = document["components"]["responses"]["DEFAULT_ERROR"]
    assert list(response["content"]) == ["application/problem+json"]
    assert set(document["components"]["schemas"]["Problem"]["required"]) >= {"type", "title", "status"}
