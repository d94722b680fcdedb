"""`flask schemas` as an operator sees it, and what signals meet after it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.factory import create_app
from app.payloads.commands import schemas
from app.payloads.models import StoredSchema
from app.resources import Resources
from config import Settings

PATH = "/api/v1/signals"
SIGNAL = {"instrument": "AAPL", "side": "buy", "price": "187.20"}
WITH_STOP = {"required": ["stop_loss"], "properties": {"stop_loss": {"type": "number", "multipleOf": 0.05}}}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, signals_schemas_ttl_seconds=0)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(document: Any) -> str:
        path = tmp_path / "schema.json"
        path.write_text(document if isinstance(document, str) else json.dumps(document))
        return str(path)

    return write


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(schemas, list(arguments))


def post(client: FlaskClient, payload: Any, version: str = "2", producer: str = "desk", **more: Any) -> TestResponse:
    document = SIGNAL | {"payload": payload, "version": version} | more
    return client.post(
        PATH, data=json.dumps(document), content_type="application/json", headers={"X-Producer-Id": producer}
    )


def pointers(response: TestResponse) -> set[str]:
    assert response.status_code == 422, response.data
    return {error["pointer"] for error in (response.json or {})["errors"]}


def test_a_payload_must_match_the_schema_of_its_version(app: Flask, client: FlaskClient, write: Any) -> None:
    assert post(client, {}).status_code == 201
    assert run(app, "add", "desk", "2", write(WITH_STOP)).stdout == "desk 2: added\n"
    assert pointers(post(client, {}, instrument="B")) == {"/payload/stop_loss"}
    assert pointers(post(client, {"stop_loss": 1.01}, instrument="B")) == {"/payload/stop_loss"}
    assert post(client, {"stop_loss": 185.35}, instrument="B").status_code == 201


def test_a_schema_applies_to_one_version_of_one_producer(app: Flask, client: FlaskClient, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    assert post(client, {}, version="3").status_code == 201
    assert post(client, {}, producer="other").status_code == 201


def test_an_invalid_payload_is_refused_before_the_search_for_duplicates(
    app: Flask, client: FlaskClient, write: Any
) -> None:
    assert post(client, {}).status_code == 201
    run(app, "add", "desk", "2", write(WITH_STOP))
    assert pointers(post(client, {})) == {"/payload/stop_loss"}


def test_a_strict_producer_is_refused_other_versions(app: Flask, client: FlaskClient, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    assert run(app, "strict", "desk", "on").stdout == "desk: strict on\n"
    assert run(app, "strict", "desk", "on").stdout == "desk: strict on already\n"
    assert pointers(post(client, {}, version="1")) == {"/version"}
    assert post(client, {}, version="1", producer="other").status_code == 201
    assert run(app, "strict", "desk", "off").stdout == "desk: strict off\n"
    assert post(client, {}, version="1").status_code == 201


def test_each_item_of_a_batch_is_validated_by_its_schema(app: Flask, client: FlaskClient, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    items = [
        SIGNAL | {"version": "2", "payload": {"stop_loss": 1}},
        SIGNAL | {"version": "2", "instrument": "B"},
        SIGNAL | {"version": "3", "instrument": "C"},
    ]
    document = client.post(f"{PATH}/batch", json={"signals": items}, headers={"X-Producer-Id": "desk"}).json or {}
    assert [result["status"] for result in document["results"]] == [201, 422, 201]
    assert document["results"][1]["problem"]["errors"][0]["pointer"] == "/signals/1/payload/stop_loss"


def test_a_schema_is_replaced_only_on_purpose(app: Flask, client: FlaskClient, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    assert run(app, "add", "desk", "2", write(WITH_STOP)).stdout == "desk 2: unchanged\n"
    refused = run(app, "add", "desk", "2", write({}))
    assert refused.exit_code == 1
    assert "use --replace to replace it" in refused.stderr
    assert pointers(post(client, {})) == {"/payload/stop_loss"}
    assert run(app, "add", "desk", "2", write({}), "--replace").stdout == "desk 2: replaced\n"
    assert post(client, {}).status_code == 201


def test_a_removed_schema_holds_nothing_any_more(app: Flask, client: FlaskClient, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    assert pointers(post(client, {})) == {"/payload/stop_loss"}
    assert run(app, "remove", "desk", "2").stdout == "desk 2: removed\n"
    assert post(client, {}).status_code == 201
    again = run(app, "remove", "desk", "2")
    assert (again.exit_code, again.stderr) == (1, "Error: desk 2 has no schema\n")


def test_schemas_and_strict_producers_are_listed(app: Flask, write: Any) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    run(app, "add", "desk", "10", write({}))
    run(app, "strict", "other", "on")
    rows = [line.split() for line in run(app, "list").stdout.splitlines()]
    assert rows[0] == ["producer", "version", "changed", "sha256", "strict", "defect"]
    assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
        ("desk", "10", "no"),
        ("desk", "2", "no"),
        ("other", "-", "yes"),
    ]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "schema.json: Expecting property name"),
        ({"type": "strin"}, "schema.json: /type: "),
        ({"$ref": "https://example.com/x"}, "schema.json: /$ref: https://example.com/x is not #/$defs/NAME"),
        (
            {"properties": {"a": {"pattern": "(?=a)"}}},
            "schema.json: /properties/a/pattern: the pattern (?=a): invalid perl operator: (?=",
        ),
    ],
)
def test_a_refused_schema_is_one_line_and_changes_nothing(app: Flask, write: Any, document: Any, message: str) -> None:
    result = run(app, "add", "desk", "2", write(document))
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(run(app, "list").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments", [["add", "a b", "1", "x"], ["add", "desk", "v" * 21, "x"], ["strict", "desk", "maybe"]]
)
def test_names_that_no_signal_can_have_are_refused(app: Flask, arguments: list[str]) -> None:
    assert run(app, *arguments).exit_code == 2


def test_a_missing_file_is_one_line(app: Flask, tmp_path: Path) -> None:
    result = run(app, "add", "desk", "1", str(tmp_path / "none.json"))
    assert (result.exit_code, result.stderr) == (1, f"Error: {tmp_path / 'none.json'}: No such file or directory\n")


def test_while_rules_are_cached_no_signal_costs_another_query(resources: Resources) -> None:
    relaxed = replace(resources, settings=replace(resources.settings, signals_schemas_ttl_seconds=60))
    client = create_app(relaxed.settings, relaxed).test_client()
    statements: list[str] = []
    event.listen(
        relaxed.database.engine,
        "before_cursor_execute",
        lambda *arguments: statements.append(arguments[2]) if "payload" in arguments[2] else None,
    )
    for instrument in ("A", "B", "C"):
        assert post(client, {}, instrument=instrument).status_code == 201
    assert len([statement for statement in statements if "payload_schemas" in statement]) == 1


def test_a_document_is_read_again_only_when_it_changed(
    resources: Resources, app: Flask, client: FlaskClient, write: Any
) -> None:
    run(app, "add", "desk", "2", write(WITH_STOP))
    read: list[str] = []
    event.listen(
        resources.database.engine,
        "before_cursor_execute",
        lambda *arguments: read.append(arguments[2]) if "payload_schemas.document" in arguments[2] else None,
    )
    for instrument in ("A", "B"):
        post(client, {"stop_loss": 1}, instrument=instrument)
    assert len(read) == 1


def test_a_stored_schema_that_this_release_cannot_use_is_named_and_signals_go_on(
    resources: Resources, app: Flask, client: FlaskClient, write: Any
) -> None:
    """As one that a release with other rules for patterns accepted."""
    run(app, "add", "desk", "2", write(WITH_STOP))
    run(app, "strict", "desk", "on")
    broken = json.dumps({"properties": {"a": {"pattern": "(?=b)b"}}})
    with resources.database.transaction() as session:
        stored = session.get_one(StoredSchema, ("desk", "2"))
        stored.document, stored.digest = broken, hashlib.sha256(broken.encode()).hexdigest()
    with capture_logs() as logged:
        assert post(client, {"a": "b"}).status_code == 201
        assert post(client, {"a": "c"}, instrument="B").status_code == 201
    (line,) = (line for line in logged if line["event"] == "payload_schema_unusable")
    assert (line["log_level"], line["producer"], line["version"]) == ("error", "desk", "2")
    assert line["reason"].startswith("/properties/a/pattern: the pattern (?=b)b: invalid perl operator")
    assert "/properties/a/pattern: the pattern" in run(app, "list").stdout
    assert pointers(post(client, {}, version="3")) == {"/version"}
    assert run(app, "add", "desk", "2", "--replace", write(WITH_STOP)).exit_code == 0
    assert pointers(post(client, {}, instrument="C")) == {"/payload/stop_loss"}
