"""Bodies that are too large, malformed, slow or of another media type, sent to a real server."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Settings
from tests.integration.web.conftest import read_responses

PATH = "/api/v1/signals"
CAP = Settings().signals_max_payload_bytes
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def body_of(size: int) -> bytes:
    """JSON of exactly this size that no schema accepts."""
    return json.dumps({"x": "y" * (size - len(json.dumps({"x": ""})))}).encode()


def assert_problem(response: Any, status: int, slug: str) -> None:
    assert response.status == status, response.body
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json["type"] == f"/problems/{slug}"
    assert response.json["status"] == status
    assert response.json["title"]
    assert response.json["request_id"] == response.headers["x-request-id"]


def test_a_body_over_the_limit_is_refused(server: Any) -> None:
    assert_problem(server.request("POST", PATH, body_of(CAP + 1), JSON), 413, "payload-too-large")


def test_a_body_over_the_limit_is_refused_before_it_is_sent(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode())
        connection.sendall(f"Content-Length: {10**12}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_body_of_exactly_the_limit_is_read(server: Any) -> None:
    body = body_of(CAP)
    assert len(body) == CAP
    assert_problem(server.request("POST", PATH, body, JSON), 422, "validation-failed")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_any_content_encoding_is_refused(server: Any, encoding: Any) -> None:
    response = server.request("POST", PATH, b"{}", JSON | {"Content-Encoding": encoding})
    assert_problem(response, 415, "unsupported-media-type")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
def test_a_body_without_a_json_media_type_is_refused(server: Any, kind: Any) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert_problem(server.request("POST", PATH, b"{}", headers), 415, "unsupported-media-type")


@pytest.mark.parametrize("coding", ["chunked", "gzip, chunked", "chunked, chunked"])
def test_a_body_without_a_length_is_refused(server: Any, coding: str) -> None:
    headers = JSON | {"Transfer-Encoding": coding}
    assert_problem(server.request("POST", PATH, chunked(b"{}"), headers), 411, "length-required")


TWO_FRAMINGS = [
    ["Content-Length: 2", "Transfer-Encoding: chunked"],
    ["Transfer-Encoding: chunked", "Content-Length: 2"],
    ["Content-Length: 2", "Transfer-Encoding: chunked", "Transfer_Encoding:"],
]


@pytest.mark.parametrize("framing", TWO_FRAMINGS)
@pytest.mark.parametrize("target", [f"POST {PATH}", "GET /healthz", "POST /nowhere"])
def test_a_length_with_a_transfer_encoding_is_refused_and_nothing_after_it_is_read(
    server: Any, target: str, framing: list[str]
) -> None:
    responses = responses_to(server, request_and_another(target, framing))
    assert len(responses) == 1
    assert_problem(responses[0], 411, "length-required")
    assert responses[0].headers["connection"] == "close"


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 2", "Content-Length: 5"],
        ["Content-Length: +2"],
        ["Content-Length: -1"],
        ["Content-Length: 2, 2"],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ],
)
def test_a_body_with_a_transfer_encoding_is_refused_and_nothing_after_it_is_read(
    server: Any, framing: list[str]
) -> None:
    responses = responses_to(server, request_and_another(f"POST {PATH}", framing))
    assert [response.status for response in responses] == [400]


def request_and_another(target: str, framing: list[str]) -> bytes:
    head = "\r\n".join([f"{target} HTTP/1.1", "Host: x", "Content-Type: application/json", *framing, "", ""])
    return head.encode() + b"2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def responses_to(server: Any, sent: bytes) -> list[Any]:
    with server.connect() as connection:
        connection.sendall(sent)
        return read_responses(connection)


GET = b"GET /healthz HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"<b>\r\n", 400),
        (b"\x16\x03\x01 <b>\r\n", 400),
        (b"GET /<b>\n", 400),
        (b"GET /\xff<b> HTTP/1.1\r\n", 400),
        (b"GET http://[<b> HTTP/1.1\r\n", 400),
        (b"get /<b> HTTP/1.1\r\n", 400),
        (b"GET /<b> HTTP/3.0\r\n", 400),
        (b"GET /" + b"x" * 65_540 + b" HTTP/1.1\r\n", 414),
        (GET + b"X: " + b"x" * 200_000 + b"\r\n", 431),
        (GET + b"X: y\r\n" * 101, 431),
        (GET + b"<b>: x\r\n", 400),
        (GET + b"<b>\r\n", 400),
        (GET + b"X: <b>\x00\r\n", 400),
        (GET + b"X: a\r\n <b>\r\n", 400),
        (GET + b"Content-Length: <b>\r\n", 400),
        (GET + b"Content-Length: \xb2\r\n", 400),
        (GET + b"Content-Length: " + b"9" * 5_000 + b"\r\n", 400),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else str(value),
)
def test_the_server_refuses_malformed_requests_and_closes_the_connection(server: Any, head: bytes, status: int) -> None:
    (response,) = responses_to(server, head + b"\r\n" + GET + b"\r\n")
    assert response.status == status
    assert response.body == b""


@pytest.mark.parametrize("name", ["SCRIPT_NAME", "PATH_INFO", "REMOTE_ADDR", "HTTP_HOST", "wsgi.url_scheme"])
def test_a_header_named_like_a_variable_of_the_server_changes_nothing(server: Any, name: str) -> None:
    """The test connects from loopback; a server might trust it as a proxy."""
    plain = server.request("POST", "/api/v1/hooks/hook_unknown", b"a: b", {"Content-Type": "text/plain"})
    response = server.request(
        "POST", "/api/v1/hooks/hook_unknown", b"a: b", {"Content-Type": "text/plain", name: "/api"}
    )
    assert (
        (response.status, response.json["type"]) == (plain.status, plain.json["type"]) == (404, "/problems/not-found")
    )
    signal = {"instrument": f"SPOOF-{name.upper()}", "side": "buy", "price": 1, "external_id": f"spoof-{name}"}
    stored = server.request("POST", PATH, json.dumps(signal).encode(), JSON | {name: "/elsewhere"})
    assert stored.status == 201
    assert stored.headers["location"] == f"{PATH}/{stored.json['id']}"


LINES = st.sampled_from(
    [
        b"Host: x",
        b"Content-Length: 2",
        b"Content-Length: 999999999999",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip",
        b"Content-Type: application/json",
        b"Expect: 100-continue",
        b"Connection: keep-alive",
        b"SCRIPT_NAME: /api",
        b"X-Forwarded-Proto: https",
        b" folded",
        b"",
        b"2\r\n{}",
        b"0",
        b"{}",
    ]
)
FIRST_LINES = st.builds(
    lambda method, path, version: b" ".join((method, path, version)),
    st.sampled_from([b"GET", b"POST", b"PUT", b"CONNECT", b"OPTIONS", b"BREW", b"g", b""]),
    st.sampled_from(
        [b"/healthz", b"/api/v1/signals", b"/api/v1/bars//X/1h", b"*", b"x:1", b"http://x/", b"/%ff", b"\xff"]
    ),
    st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 x", b""]),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(FIRST_LINES, LINES, st.binary(max_size=20)), min_size=1, max_size=8))
def test_any_bytes_get_a_response_in_time_and_never_a_500(server: Any, lines: list[bytes]) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        connection.shutdown(socket.SHUT_WR)
        responses = read_responses(connection)
    for response in responses:
        assert response.status < 500 or response.status == 503, response.body
        if response.status >= 400 and response.body:
            assert_problem(response, response.status, response.json["type"].removeprefix("/problems/"))
    assert time.monotonic() - began < 3


def test_an_unread_body_is_never_taken_for_the_next_request(server: Any) -> None:
    """The rest of a refused body must not be read as a request."""
    hidden = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    for size in (len(hidden), CAP + 10, 300_000):
        body = hidden * (size // len(hidden))
        head = f"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        last = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        statuses = [response.status for response in responses_to(server, head.encode() + body + last)]
        assert statuses in ([404], [404, 200]), size


def server_head(headers: dict[str, str]) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
