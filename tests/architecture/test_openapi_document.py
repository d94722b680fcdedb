"""The committed document is the served one, and every part has a description and a valid example."""

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
BINARY_TYPES = ("image/",)
CLOSED_REDIS = "redis://127.0.0.1:1/0"
CONSTRAINTS = {"type", "$ref", "oneOf", "anyOf", "allOf", "enum", "const"}


DOCUMENT: Any = json.loads(COMMITTED.read_text()) if COMMITTED.exists() else {"paths": {}}


def resolved(part: Any) -> Any:
    reference = part.get("$ref")
    if reference is None:
        return part
    target = DOCUMENT
    for token in reference.removeprefix("#/").split("/"):
        target = target[token]
    return target


def _operations() -> Iterator[tuple[str, Any]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield f"{method.upper()} {path}", operation


OPERATIONS = list(_operations())


def contents() -> Iterator[tuple[str, Any]]:
    """Every body of requests and responses, with its place in the document."""
    for name, operation in OPERATIONS:
        for kind, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{name} body {kind}", content
        for status, response in operation["responses"].items():
            for kind, content in resolved(response).get("content", {}).items():
                yield f"{name} {status} {kind}", content


def schemas(part: Any, where: str = "#") -> Iterator[tuple[str, Any]]:
    """A schema and all schemas inside it, with their places in the document."""
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
BODIES = [(name, content) for name, content in contents() if not any(word in name for word in BINARY_TYPES)]


def test_the_committed_document_is_the_one_that_a_web_server_serves(sqlite_url: str, tmp_path: Path) -> None:
    """The server runs in its own process: what tests import or register must not be in the document."""
    settings = Settings(database_url=sqlite_url, redis_url=CLOSED_REDIS, media_dir=tmp_path, web_concurrency=1)
    with processes.web(settings, tmp_path) as address:
        served = requests.get(f"{address}/openapi.json", timeout=10).json()
    assert served == DOCUMENT, f"run: {WRITE}"


def test_no_schema_allows_anything() -> None:
    assert [where for where, schema in SCHEMAS if not CONSTRAINTS & schema.keys()] == []


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


def test_the_document_has_operations_and_bodies() -> None:
    assert len(OPERATIONS) >= 16
    assert len(BODIES) > 60


@pytest.mark.parametrize(("name", "content"), BODIES, ids=[name for name, _ in BODIES])
def test_every_body_has_an_example_that_fits_its_schema(name: str, content: Any) -> None:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    validator.validate(content["example"])


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
def test_every_operation_describes_its_responses_and_parameters(name: str, operation: Any) -> None:
    assert operation["operationId"]
    assert operation["summary"]
    for status, response in operation["responses"].items():
        documented = resolved(response)
        assert documented["description"], status
        assert "X-Request-ID" in documented["headers"], status
    for parameter in operation.get("parameters", ()):
        assert parameter["schema"], parameter["name"]


def test_operation_ids_are_unique() -> None:
    names = [operation["operationId"] for _, operation in OPERATIONS]
    assert sorted(set(names)) == sorted(names)


def test_operations_describe_the_errors_of_their_kind() -> None:
    statuses = {name: set(operation["responses"]) for name, operation in OPERATIONS}
    assert statuses["POST /api/v1/signals"] >= {"201", "400", "401", "409", "413", "415", "422", "429", "503"}
    assert statuses["POST /api/v1/signals/batch"] >= {"201", "207", "400", "401", "409", "413", "422", "429", "503"}
    assert statuses["GET /api/v1/signals/{signal_id}"] >= {"200", "401", "404", "503"}
    assert statuses["GET /healthz"] == {"200", "default"}
