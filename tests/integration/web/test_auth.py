"""Authentication with API_KEYS."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from structlog.testing import capture_logs

from app.shared import signatures
from app.web.security.auth import PUBLIC_ENDPOINTS
from config import Settings

ALICE = "alice-" + "a" * 32
BOB = "bob-" + "b" * 32
SIGNING_KEY = "k" * 40
SIGNAL = {"instrument": "EURUSD", "side": "buy", "price": "1.1"}


@pytest.fixture
def guarded(sqlite_settings: Settings, make_app: Any) -> Any:
    keys = (f"alice:{ALICE}", f"bob:{BOB}")
    return make_app(dataclasses.replace(sqlite_settings, api_keys=keys, signals_hmac_key=SIGNING_KEY))


def bearer(token: str) -> Any:
    return {"Authorization": f"Bearer {token}"}


def assert_refused(response: Any) -> None:
    assert response.status_code == 401
    assert response.content_type == "application/problem+json"
    assert json.loads(response.data)["type"] == "/problems/unauthenticated"
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/api/v1/signals", "/metrics", "/api/v1/bars/EURUSD/1h"])
def test_a_request_without_a_key_is_refused(guarded: Flask, path: str) -> None:
    assert_refused(guarded.test_client().get(path))


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        f"Bearer {ALICE}x",
        f"Bearer {ALICE[:-1]}",
        f"Bearer alice:{ALICE}",
        f"Basic {ALICE}",
        f"Token {ALICE}",
        "Basic YTpi",
        "Bearer \xe4\xf6",
        ALICE,
    ],
)
def test_a_wrong_key_is_refused(guarded: Flask, authorization: str) -> None:
    assert_refused(guarded.test_client().get("/api/v1/signals", headers={"Authorization": authorization}))


@pytest.mark.parametrize("token", [ALICE, BOB])
def test_every_key_is_accepted(guarded: Flask, token: str) -> None:
    assert guarded.test_client().get("/api/v1/signals", headers=bearer(token)).status_code == 200


def test_the_keys_name_is_the_caller(guarded: Flask) -> None:
    with capture_logs() as logged:
        guarded.test_client().get("/api/v1/signals", headers=bearer(BOB))
    assert [line["caller"] for line in logged if line["event"] == "request"] == ["bob"]
    assert BOB not in json.dumps(logged)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/docs/docs.js", "/openapi.json", "/problems/gone"])
def test_public_endpoints_need_no_key(guarded: Flask, path: str) -> None:
    with guarded.test_client().get(path) as response:
        assert response.status_code == 200


def test_every_other_endpoint_needs_a_key(guarded: Flask) -> None:
    client = guarded.test_client()
    requests = 0
    for rule in guarded.url_map.iter_rules():
        if rule.endpoint in PUBLIC_ENDPOINTS:
            continue
        values = dict.fromkeys(rule.arguments, str(uuid4())) | {"chart_id": uuid4().hex}
        with guarded.test_request_context():
            path = guarded.url_map.bind("x").build(rule.endpoint, values)
        for method in rule.methods or ():
            response = client.open(path, method=method)
            assert response.status_code == 401, (method, path)
            requests += 1
    assert requests > 10


def test_an_unknown_path_is_not_found_with_and_without_a_key(guarded: Flask) -> None:
    client = guarded.test_client()
    assert client.get("/nowhere").status_code == 404
    assert client.get("/nowhere", headers=bearer(ALICE)).status_code == 404


def signed(guarded: Flask, key: Any, body: bytes) -> Any:
    now = guarded.extensions["signalbox"].clock()
    headers = signatures.sign(body, key=key, message_id=f"msg_{uuid4().hex}", now=now)
    return {"Content-Type": "application/json", **headers}


def test_a_signed_signal_needs_no_key(guarded: Flask) -> None:
    body = json.dumps(SIGNAL).encode()
    response = guarded.test_client().post("/api/v1/signals", data=body, headers=signed(guarded, SIGNING_KEY, body))
    assert response.status_code == 201
    assert response.get_json()["signed"] is True


def test_a_wrongly_signed_signal_is_refused(guarded: Flask) -> None:
    body = json.dumps(SIGNAL).encode()
    response = guarded.test_client().post("/api/v1/signals", data=body, headers=signed(guarded, "x" * 40, body))
    assert_refused(response)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature", "X-Signature"])
def test_one_header_of_a_signature_does_not_replace_a_key(guarded: Flask, name: str) -> None:
    response = guarded.test_client().post("/api/v1/signals", json=SIGNAL, headers={name: "1"})
    assert_refused(response)


def test_a_signature_is_accepted_only_for_posting_signals(guarded: Flask) -> None:
    headers = signed(guarded, SIGNING_KEY, b"")
    assert_refused(guarded.test_client().get("/api/v1/signals", headers=headers))


def test_a_signature_does_not_help_a_wrong_key(guarded: Flask) -> None:
    body = json.dumps(SIGNAL).encode()
    headers = signed(guarded, SIGNING_KEY, body) | bearer("wrong")
    assert_refused(guarded.test_client().post("/api/v1/signals", data=body, headers=headers))


def test_an_unsigned_signal_with_a_key_is_accepted(guarded: Flask) -> None:
    response = guarded.test_client().post("/api/v1/signals", json=SIGNAL, headers=bearer(ALICE))
    assert response.status_code == 201
    assert response.get_json()["signed"] is False


def test_without_keys_the_api_is_open(sqlite_settings: Settings, make_app: Any) -> None:
    assert make_app(sqlite_settings).test_client().get("/api/v1/signals").status_code == 200
