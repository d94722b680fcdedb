"""Posting one signal: bodies, validation, signatures and metrics."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.events.models import Event
from app.resources import Resources
from app.shared import signatures
from app.signals.models import Signal
from tests.integration.signals.builders import KEY, NOON, PATH, a_signal, post
from tests.integration.signals.conftest import Serve, StoppedClock


def stored(resources: Resources) -> int:
    with resources.database.reading() as session:
        return len(session.scalars(select(Signal.id)).all())


def is_problem(response: TestResponse, status: int, slug: str) -> bool:
    assert response.status_code == status, response.data
    assert response.content_type == "application/problem+json"
    problem = response.json or {}
    assert problem["status"] == status
    assert problem["type"].endswith(slug)
    assert problem["request_id"] == response.headers["X-Request-ID"]
    return True


def test_the_response_to_an_accepted_signal_has_all_its_fields(client: FlaskClient) -> None:
    payload = {"take_profit": [190, "195.50"], "strategy": "momentum", "other": {"a": None}}
    response = post(
        client, instrument="btc/usdt", time="2026-03-02T13:00:00.5+01:00", external_id="e1", payload=payload
    )
    signal = response.json or {}
    assert response.status_code == 201
    assert response.headers["Location"] == f"{PATH}/{signal['id']}"
    assert signal == {
        "id": signal["id"],
        "producer_id": "desk-1",
        "external_id": "e1",
        "instrument": "BTC/USDT",
        "side": "buy",
        "price": "187.20",
        "time": "2026-03-02T12:00:00.500000Z",
        "version": "1",
        "payload": payload,
        "status": "new",
        "signed": False,
        "received_at": "2026-03-02T12:00:00Z",
    }
    assert client.get(response.headers["Location"]).json == signal


def test_the_digits_of_numbers_survive_in_responses(client: FlaskClient) -> None:
    body = b'{"instrument":"A","side":"buy","price":0.10,"payload":{"x":1.10,"y":12345678901234567890.5,"z":1e-7}}'
    response = client.post(PATH, data=body, content_type="application/json")
    for read in (response, client.get(response.headers["Location"])):
        assert b'"price":"0.10"' in read.data
        assert b'"x":1.10,"y":12345678901234567890.5,"z":1E-7' in read.data


def test_a_signal_is_stored_with_its_event(client: FlaskClient, resources: Resources) -> None:
    response = client.post(PATH, json=a_signal(), headers={"X-Request-ID": "request-7"})
    with resources.database.reading() as session:
        (event,) = session.scalars(select(Event)).all()
    assert (event.kind, event.subject, event.request_id) == (
        "signal.received",
        (response.json or {})["id"],
        "request-7",
    )
    assert event.dispatched_at is None


def test_without_a_name_the_producer_is_default(client: FlaskClient) -> None:
    assert (client.post(PATH, json=a_signal()).json or {})["producer_id"] == "default"


@pytest.mark.parametrize("producer", ["a b", "", "x" * 65, "ü"])
def test_a_producers_name_of_other_characters_is_refused(client: FlaskClient, producer: str) -> None:
    assert is_problem(post(client, producer=producer), 422, "validation-failed")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"{}x", b"\xff", b"\xef\xbb\xbf{}", json.dumps(a_signal()).encode("utf-16"), b'{"a":1,"a":2}'),
        *(b'{"price":NaN}', b'{"price":Infinity}', b'{"price":1e999}', b'{"price":' + b"9" * 4300 + b"}"),
        *(b'{"x":"\\u0000"}', b'{"x":"\\ud800"}', b'{"x":' + b"[" * 17 + b"]" * 17 + b"}", b"[" * 20_000),
    ],
)
def test_what_is_not_strict_json_is_malformed(client: FlaskClient, resources: Resources, body: bytes) -> None:
    assert is_problem(client.post(PATH, data=body, content_type="application/json"), 400, "malformed-json")
    assert stored(resources) == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_type_or_any_encoding_is_refused(client: FlaskClient, headers: dict[str, str]) -> None:
    response = client.post(PATH, data=json.dumps(a_signal()), headers=headers)
    assert is_problem(response, 415, "unsupported-media-type")


def test_a_length_beside_chunks_is_refused_even_if_the_server_lets_it_through(client: FlaskClient) -> None:
    headers = {"Transfer-Encoding": "chunked", "Content-Length": "2"}
    response = client.post(PATH, data=b"{}", content_type="application/json", headers=headers)
    assert is_problem(response, 411, "length-required")


def test_a_body_may_be_as_large_as_the_cap_and_no_byte_larger(client: FlaskClient, resources: Resources) -> None:
    body = json.dumps(a_signal()).encode().ljust(32_768)
    assert is_problem(client.post(PATH, data=body + b" ", content_type="application/json"), 413, "payload-too-large")
    assert stored(resources) == 0
    assert client.post(PATH, data=body, content_type="application/json").status_code == 201


def test_the_size_is_checked_before_anything_is_parsed(client: FlaskClient) -> None:
    assert is_problem(client.post(PATH, data=b"{" * 32_769, content_type="application/json"), 413, "payload-too-large")


def test_an_invalid_signal_is_refused_with_pointers_and_not_stored(client: FlaskClient, resources: Resources) -> None:
    response = post(client, side="hold", payload={"take_profit": [1, -2]}, colour="red")
    assert is_problem(response, 422, "validation-failed")
    pointers = {error["pointer"] for error in (response.json or {})["errors"]}
    assert pointers == {"/side", "/payload/take_profit/1", "/colour"}
    assert stored(resources) == 0


def test_a_time_too_far_ahead_is_refused(client: FlaskClient, clock: StoppedClock) -> None:
    ahead = (clock.now + timedelta(seconds=61)).isoformat()
    assert is_problem(post(client, time=ahead), 422, "validation-failed")
    assert post(client, time=(clock.now + timedelta(seconds=60)).isoformat()).status_code == 201


def signed(client: FlaskClient, clock: StoppedClock, body: Any = None, **how: Any) -> TestResponse:
    """Post a body with a Standard Webhooks signature; `how` replaces parts of it."""
    data = json.dumps(body or a_signal()).encode()
    headers = signatures.sign(
        data, key=how.get("key", KEY), message_id=how.get("message_id", "msg_1"), now=how.get("now", clock.now)
    )
    headers |= {"X-Producer-Id": how.get("producer", "desk-1")} | how.get("headers", {})
    return client.post(PATH, data=how.get("sent", data), content_type="application/json", headers=headers)


def test_a_signed_signal_is_marked_as_signed_and_gets_the_messages_id(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    signal = signed(client, clock).json or {}
    assert (signal["signed"], signal["external_id"]) == (True, "msg_1")
    clock.advance(200)
    assert is_problem(signed(client, clock, body=a_signal(instrument="MSFT")), 409, "duplicate-signal")


def test_a_wrong_signature_is_refused_even_where_none_is_required(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_key=KEY)
    assert is_problem(signed(client, clock, key="another key"), 401, "unauthenticated")
    assert signed(client, clock).status_code == 201


@pytest.mark.parametrize(
    "how",
    [
        {"key": "another key"},
        {"sent": json.dumps(a_signal(side="sell")).encode()},
        {"now": NOON - timedelta(seconds=301)},
        {"now": NOON + timedelta(seconds=301)},
        {"headers": {"webhook-id": "msg_2"}},
        {"headers": {"webhook-signature": "v1"}},
        {"headers": {"webhook-timestamp": "soon"}},
        {"sent": b"not json"},
        {"sent": b"{}"},
    ],
)
def test_whatever_is_wrong_with_a_signature_the_response_is_the_same(
    serve: Serve, clock: StoppedClock, resources: Resources, how: dict[str, Any]
) -> None:
    response = signed(serve(signals_hmac_enabled=True, signals_hmac_key=KEY), clock, **how)
    assert is_problem(response, 401, "unauthenticated")
    assert (response.json or {})["detail"] == signatures.REFUSAL
    assert stored(resources) == 0


def test_where_signatures_are_required_an_unsigned_signal_is_refused_before_it_is_parsed(serve: Serve) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    assert is_problem(post(client), 401, "unauthenticated")
    assert is_problem(client.post(PATH, data=b"{", content_type="application/json"), 401, "unauthenticated")


def test_an_oversized_body_is_refused_before_its_signature_is_checked(serve: Serve) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    assert is_problem(client.post(PATH, data=b" " * 40_000, content_type="application/json"), 413, "payload-too-large")


def test_a_signed_message_cannot_be_sent_again_under_another_name(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    assert signed(client, clock).status_code == 201
    assert is_problem(signed(client, clock, producer="desk-2"), 401, "unauthenticated")


def test_a_signature_replaces_an_api_key_for_posting_alone(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_key=KEY, api_keys=(f"desk:{KEY}",))
    assert signed(client, clock).status_code == 201
    assert is_problem(post(client), 401, "unauthenticated")
    assert is_problem(client.get(PATH), 401, "unauthenticated")
    assert client.get(PATH, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_refusals_and_signals_are_counted(serve: Serve) -> None:
    client = serve(metrics_instruments=("AAPL",))

    def value(series: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series + " ")), 0.0)

    series = [
        'signals_ingested_total{instrument="AAPL",side="buy"}',
        'signals_ingested_total{instrument="other",side="sell"}',
        'signals_rejected_total{reason="validation-failed"}',
        'signals_rejected_total{reason="duplicate-signal"}',
        'signals_rejected_total{reason="malformed-json"}',
        'signals_dedup_total{outcome="new",path="database"}',
        'signals_dedup_total{outcome="duplicate",path="redis"}',
        "signals_create_seconds_count",
    ]
    before = [value(name) for name in series]
    post(client)
    post(client)
    post(client, instrument="XYZ", side="sell")
    post(client, side="hold")
    client.post(PATH, data=b"{", content_type="application/json")
    assert [value(name) - old for name, old in zip(series, before, strict=True)] == [1, 1, 1, 1, 1, 2, 1, 5]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ALMOST_SIGNALS = st.builds(
    lambda changes: json.dumps(a_signal() | changes).encode(),
    st.dictionaries(
        st.sampled_from(["instrument", "side", "price", "time", "version", "external_id", "payload", "x"]),
        JSON_VALUES,
        max_size=3,
    ),
)
ALMOST_PAYLOADS = st.builds(
    lambda payload: json.dumps(a_signal(payload=payload)).encode(),
    st.dictionaries(st.sampled_from(["stop_loss", "take_profit", "timeframe", "strategy", "note"]), JSON_VALUES),
)


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    st.binary(max_size=200)
    | JSON_VALUES.map(lambda value: json.dumps(value).encode())
    | ALMOST_SIGNALS
    | ALMOST_PAYLOADS
)
def test_any_bytes_are_stored_or_refused_with_a_problem(client: FlaskClient, body: bytes) -> None:
    response = client.post(PATH, data=body, content_type="application/json")
    if response.status_code != 201:
        assert 400 <= response.status_code < 500, response.data
        assert response.content_type == "application/problem+json"
