"""The OpenAPI document and its page: complete, and served by this host alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from flask import Flask

from app.web.http import problems
from app.web.openapi.completion import REQUEST_ID
from app.web.openapi.docs_page import ASSETS, OWN


@pytest.fixture
def document(unconnected: Flask) -> Any:
    return json.loads(unconnected.test_client().get("/openapi.json").data)


def test_the_document_is_openapi_3_1_with_its_security(document: Any) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document["components"]["securitySchemes"]) == {"key", "signature"}
    assert document["security"] == [{"key": []}]


def test_every_reference_of_the_document_leads_somewhere(document: Any) -> None:
    part = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    assert part
    for pointer in part:
        place = document
        for token in pointer.split("/"):
            place = place[token]


def test_the_example_of_an_internal_error_is_the_served_document(document: Any) -> None:
    (media,) = document["components"]["responses"]["DEFAULT_ERROR"]["content"].values()
    _, finished = problems.describe_bug()
    assert media["example"] == {**finished, "request_id": REQUEST_ID}


def test_posting_a_signal_takes_a_key_or_a_signature(document: Any) -> None:
    assert document["paths"]["/api/v1/signals"]["post"]["security"] == [{"key": []}, {"signature": []}]


def test_the_page_loads_only_what_this_service_serves(unconnected: Flask) -> None:
    client = unconnected.test_client()
    page = (OWN / "docs.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(links) == 5
    assert not [link for link in links if ":" in link or link.startswith("/")]
    for link in links:
        with client.get(f"/{link}") as response:
            assert response.status_code == 200, link


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_each_file_of_the_page_is_served_as_what_it_is(unconnected: Flask, name: str) -> None:
    kinds = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
    with unconnected.test_client().get(f"/docs/{name}") as response:
        assert response.mimetype == kinds[name.rpartition(".")[2]]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in response.headers["Cache-Control"]


@pytest.mark.parametrize("name", ["docs.html", "index.css", "LICENSE", "..%2Fdocs.py", "%2e%2e/docs.py", "."])
def test_no_other_file_is_served(unconnected: Flask, name: str) -> None:
    assert unconnected.test_client().get(f"/docs/{name}").status_code == 404


def test_the_page_may_run_its_own_scripts_and_no_inline_ones(unconnected: Flask) -> None:
    with unconnected.test_client().get("/docs") as response:
        policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self';" in policy
    assert "default-src 'none'" in policy
    page = (OWN / "docs.html").read_text()
    assert not re.search(r"<script>|\son\w+=|javascript:", page)


def test_responses_other_than_pages_load_nothing_in_a_browser(unconnected: Flask) -> None:
    headers = unconnected.test_client().get("/healthz").headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"


def test_a_problem_is_protected_too(unconnected: Flask) -> None:
    assert unconnected.test_client().get("/nowhere").headers["X-Content-Type-Options"] == "nosniff"


def test_an_image_may_style_itself(unconnected: Flask) -> None:
    unconnected.add_url_rule("/image", view_func=lambda: ("<svg/>", {"Content-Type": "image/svg+xml"}))
    assert "style-src 'unsafe-inline'" in unconnected.test_client().get("/image").headers["Content-Security-Policy"]
