"""Every endpoint is in the OpenAPI document and requires a key unless it is listed as public."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from app.factory import create_app
from app.web.security.auth import PUBLIC_ENDPOINTS, SIGNED_RULES
from config import Settings

UNDOCUMENTED = {"docs.page", "docs.asset", "docs.openapi", "docs.problem"}


@pytest.fixture(scope="module")
def unconnected(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("endpoints")
    return create_app(
        Settings(database_url=f"sqlite:///{folder}/none.db", media_dir=folder, api_keys=("a:" + "k" * 40,))
    )


@pytest.fixture(scope="module")
def document(unconnected: Flask) -> Any:
    return json.loads(unconnected.test_client().get("/openapi.json").data)


def test_only_listed_endpoints_are_public(unconnected: Flask) -> None:
    assert {
        "operations.healthz",
        "operations.readyz",
        "docs.page",
        "docs.asset",
        "docs.openapi",
        "docs.problem",
        "hooks.receive",
    } == PUBLIC_ENDPOINTS
    assert {rule.endpoint for rule in unconnected.url_map.iter_rules()} > PUBLIC_ENDPOINTS


def test_a_signature_replaces_a_key_only_for_posting_signals(unconnected: Flask) -> None:
    assert {("POST", "/api/v1/signals"), ("POST", "/api/v1/signals/batch")} == SIGNED_RULES
    rules = {(method, rule.rule) for rule in unconnected.url_map.iter_rules() for method in rule.methods or ()}
    assert rules >= SIGNED_RULES


def test_every_endpoint_is_in_the_document(unconnected: Flask, document: Any) -> None:
    documented = {(path, method.upper()) for path, item in document["paths"].items() for method in item}
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method)
        for rule in unconnected.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint not in UNDOCUMENTED
    }
    assert served == {(path, method) for path, method in documented if method != "PARAMETERS"}
    assert len(served) > 8


def test_operations_without_security_are_the_public_endpoints(unconnected: Flask, document: Any) -> None:
    open_paths = {
        path
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method != "parameters" and operation.get("security") == []
    }
    public = {
        re.sub(r"<(\w+)>", r"{\1}", rule.rule)
        for rule in unconnected.url_map.iter_rules()
        if rule.endpoint in PUBLIC_ENDPOINTS - UNDOCUMENTED
    }
    assert open_paths == public


def test_every_operation_has_a_summary_and_a_default_error(document: Any) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method == "parameters":
                continue
            assert operation.get("summary"), (method, path)
            assert "default" in operation["responses"], (method, path)
