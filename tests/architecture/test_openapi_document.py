"""The committed document is the one that is served, and nothing in it lacks words or an example that fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from app.charts.api.schemas import (
    ANNOTATIONS,
    DATA,
    OVERLAYS,
    PANELS,
)
from config import ROOT, Settings
from tests import processes

COMMITTED = ROOT / "docs" / "openapi.json"
WRITE = "flask --app wsgi openapi write docs/openapi.json"
WITHOUT_WORDS = ("image/",)
CLOSED_REDIS = "redis://127.0.0.1:1/0"
SAYS_SOMETHING = {"type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const"}


DOCUMENT: Any = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {"paths": {}}


def resolved(part: Any) -> Any:
    reference = part.get("$ref")
    if reference is None:
        return part
    found = DOCUMENT
    for token in reference.removeprefix("#/").split("/"):
        found = found[token]
    return found


def _operations() -> Iterator[tuple[str, Any]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


OPERATIONS = list(_operations())


def contents() -> Iterator[tuple[str, Any]]:
    """Every body there is, of requests and of answers, by where it stands."""
    for name, operation in OPERATIONS:
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} body {kind}", content
        for status, response in operation["responses"].items():
            for kind, content in resolved(response).get("content", {}).items():
                yield f"{name} {status} {kind}", content


def schemas(part: Any, where: str = "#") -> Iterator[tuple[str, Any]]:
    """Every schema below a part of the document that is one, by where it stands."""
    yield where, part
    for keyword in ("properties", "patternProperties", "$defs"):
        for name, inner in part.get(keyword, {}).items():
            yield from schemas(inner, f"{where}/{keyword}/{name}")
    for keyword in ("oneOf", "anyOf", "allOf"):
        for number, inner in enumerate(part.get(keyword, ())):
            yield from schemas(inner, f"{where}/{keyword}/{number}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(part.get(keyword), dict):
            yield from schemas(part[keyword], f"{where}/{keyword}")


def _all_schemas() -> Iterator[tuple[str, Any]]:
    for name, schema in DOCUMENT.get("components", {}).get("schemas", {}).items():
        yield from schemas(schema, name)
    for name, content in contents():
        yield from schemas(content["schema"], name)
    for name, operation in OPERATIONS:
        for parameter in operation.get("parameters", ()):
            yield from schemas(parameter["schema"], f"{name} {parameter['name']}")


SCHEMAS = list(_all_schemas())
BODIES = [(name, content) for name, content in contents() if not any(word in name for word in WITHOUT_WORDS)]


def test_the_committed_document_is_the_one_that_a_web_server_serves(sqlite_url: str, tmp_path: Path) -> None:
    """In a process of its own: what only the tests import or register must not be in the document."""
    settings = Settings(database_url=sqlite_url, redis_url=CLOSED_REDIS, media_dir=tmp_path, web_concurrency=1)
    with processes.web(settings, tmp_path) as address:
        served = requests.get(f"{address}/openapi.json", timeout=10).json()
    assert served == DOCUMENT, f"run: {WRITE}"


def test_no_schema_allows_anything() -> None:
    assert [where for where, schema in SCHEMAS if not SAYS_SOMETHING & schema.keys()] == []


def test_no_schema_contradicts_itself_about_types() -> None:
    assert [where for where, schema in SCHEMAS if "type" in schema and {"anyOf", "oneOf"} & schema.keys()] == []


def test_the_parts_of_a_chart_are_described_by_kind() -> None:
    spec = DOCUMENT["components"]["schemas"]["Spec"]["properties"]
    for name, kinds in (("overlays", OVERLAYS), ("panels", PANELS), ("annotations", ANNOTATIONS)):
        items = spec[name]["items"]
        assert items["discriminator"]["propertyName"] == "kind"
        assert items["discriminator"]["mapping"].keys() == kinds.keys()
        assert {each["$ref"] for each in items["oneOf"]} == set(items["discriminator"]["mapping"].values())
    assert len(spec["data"]["oneOf"]) == len(DATA)


def test_there_is_something_to_look_at() -> None:
    assert len(OPERATIONS) >= 16
    assert len(BODIES) > 60


@pytest.mark.parametrize(("name", "content"), BODIES, ids=[name for name, _ in BODIES])
def test_every_body_has_an_example_that_fits_its_schema(name: str, content: Any) -> None:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(content["example"])


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_operation_names_itself_its_answers_and_its_parameters(name: str, operation: Any) -> None:
    assert operation["operationId"]
    assert operation["summary"]
    for status, response in operation["responses"].items():
        told = resolved(response)
        assert told["description"], status
        assert "X-Request-ID" in told["headers"], status
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"], parameter["name"]


def test_no_two_operations_have_one_name() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert sorted(set(names)) == sorted(names)


def test_operations_refuse_in_the_ways_of_their_kind() -> None:
    statuses = {name: set(operation["responses"]) for name, operation in OPERATIONS}
    assert statuses["POST /api/v1/signals"] >= {"201", "400", "401", "409", "413", "415", "422", "429", "503"}
    assert statuses["POST /api/v1/signals/batch"] >= {"201", "207", "400", "401", "409", "413", "422", "429", "503"}
    assert statuses["GET /api/v1/signals/{signal_id}"] >= {"200", "401", "404", "503"}
    assert statuses["GET /healthz"] == {"200", "default"}
