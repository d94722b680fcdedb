"""Bodies that are too large, broken, slow or of another kind, against the real server."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Settings
from tests.integration.web.conftest import read_answers

PATH = "/api/v1/signals"
CAP = Settings().signals_max_payload_bytes
JSON = {"Content-Type": "application/json"}
CHUNKED = {**JSON, "Transfer-Encoding": "chunked"}


def chunked(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def body_of(size: int) -> bytes:
    """JSON of exactly this size that no schema takes."""
    return json.dumps({"x": "y" * (size - len(json.dumps({"x": ""})))}).encode()


def assert_problem(answer: Any, status: int, slug: str) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["type"] == f"/problems/{slug}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def test_a_body_over_the_cap_is_refused(server: Any) -> None:
    assert_problem(server.request("POST", PATH, body_of(CAP + 1), JSON), 413, "payload-too-large")


def test_a_body_over_the_cap_is_refused_before_it_is_sent(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode())
        connection.sendall(f"Content-Length: {10**12}\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 413"


def test_a_chunked_body_over_the_cap_is_refused_not_cut(server: Any) -> None:
    body = chunked(body_of(CAP + 1)[:1000], body_of(CAP + 1)[1000:])
    assert_problem(server.request("POST", PATH, body, CHUNKED), 413, "payload-too-large")


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_exactly_the_cap_is_read(server: Any, framing: Any) -> None:
    body = body_of(CAP)
    assert len(body) == CAP
    sent, headers = (body, JSON) if framing == "length" else (chunked(body), CHUNKED)
    assert_problem(server.request("POST", PATH, sent, headers), 422, "validation-failed")


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity"])
def test_any_content_encoding_is_refused(server: Any, encoding: Any) -> None:
    answer = server.request("POST", PATH, b"{}", JSON | {"Content-Encoding": encoding})
    assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x"])
def test_a_body_that_is_not_announced_as_json_is_refused(server: Any, kind: Any) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert_problem(server.request("POST", PATH, b"{}", headers), 415, "unsupported-media-type")


@pytest.mark.parametrize(
    "broken",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}xx0\r\n\r\n",
        b"2\r\n{}\r\n0\r\nbad trailer\r\n\r\n",
        b"2;=bad\r\n{}\r\n0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_broken_chunks_are_a_bad_request(server: Any, broken: Any) -> None:
    assert_problem(server.request("POST", PATH, broken, CHUNKED), 400, "bad-request")


@pytest.mark.parametrize(
    "framing",
    [
        ["Content-Length: 2", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 2"],
        ["Content-Length: 2", "Content-Length: 5"],
        ["Content-Length: +2"],
        ["Content-Length: -1"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ],
)
def test_a_body_that_could_be_read_in_two_ways_is_refused_and_nothing_after_it_is_read(
    server: Any, framing: list[str]
) -> None:
    head = "\r\n".join([f"POST {PATH} HTTP/1.1", "Host: x", "Content-Type: application/json", *framing, "", ""])
    with server.connect() as connection:
        connection.sendall(head.encode() + b"2\r\n{}\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answers = read_answers(connection)
    assert len(answers) == 1
    assert_problem(answers[0], 400, "bad-request")


@pytest.mark.parametrize("coding", ["gzip, chunked", "<b>, chunked", "<b>"])
def test_a_transfer_in_any_other_coding_than_chunks_is_refused(server: Any, coding: str) -> None:
    headers = JSON | {"Transfer-Encoding": coding}
    assert_problem(server.request("POST", PATH, chunked(b"{}"), headers), 415, "unsupported-media-type")


GET = b"GET /healthz HTTP/1.1\r\n"


@pytest.mark.parametrize(
    ("head", "status", "slug"),
    [
        (b"<b>\r\n", 400, "bad-request"),
        (b"\x16\x03\x01 <b>\r\n", 400, "bad-request"),
        (b"GET /<b>\n", 400, "bad-request"),
        (b"GET /\xff<b> HTTP/1.1\r\n", 400, "bad-request"),
        (b"GET http://[<b> HTTP/1.1\r\n", 400, "bad-request"),
        (b"get /<b> HTTP/1.1\r\n", 400, "bad-request"),
        (b"GET /<b> HTTP/3.0\r\n", 400, "bad-request"),
        (b"GET /<b>" + b"x" * 5_000 + b" HTTP/1.1\r\n", 414, "request-uri-too-long"),
        (GET + b"X: <b>" + b"x" * 9_000 + b"\r\n", 431, "request-header-fields-too-large"),
        (GET + b"X: <b>\r\n" * 65, 431, "request-header-fields-too-large"),
        (GET + b"<b>: x\r\n", 400, "bad-request"),
        (GET + b"<b>\r\n", 400, "bad-request"),
        (GET + b"X: <b>\x00\r\n", 400, "bad-request"),
        (GET + b"X: a\r\n <b>\r\n", 400, "bad-request"),
        (GET + b"Host: <b>\r\nHost: x\r\n", 400, "bad-request"),
        (GET + b"Content-Length: <b>\r\n", 400, "bad-request"),
        (GET + b"Content-Length: \xb2\r\n", 400, "bad-request"),
        (GET + b"Content-Length: " + b"9" * 5_000 + b"\r\n", 400, "bad-request"),
        (GET + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: <b>\r\n", 400, "bad-request"),
        (GET + b"SCRIPT_NAME: /<b>\r\n", 400, "bad-request"),
        (GET + b"Expect: <b>\r\n", 417, "expectation-failed"),
    ],
    ids=lambda value: value[:40] if isinstance(value, bytes) else value,
)
def test_what_is_no_request_is_refused_with_a_problem_and_the_connection_closed(
    server: Any, head: bytes, status: int, slug: str
) -> None:
    with server.connect() as connection:
        connection.sendall(head + b"\r\n" + GET + b"\r\n")
        answers = read_answers(connection)
    assert len(answers) == 1
    assert_problem(answers[0], status, slug)
    assert answers[0].headers["connection"] == "close"
    assert answers[0].headers["x-content-type-options"] == "nosniff"
    assert b"<" not in answers[0].body


def test_what_is_no_request_is_one_short_line_in_the_log_without_what_was_sent(server: Any) -> None:
    secret = "hook_0123456789abcdef0123456789abcdef"
    with server.connect() as connection:
        connection.sendall(f"GET /api/v1/hooks/{secret} HTTP/9.9\r\n\r\n".encode())
        (answer,) = read_answers(connection)
    log = server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if answer.json["request_id"] in line]
    assert [(line["event"], line["reason"]) for line in lines] == [("request_unreadable", "InvalidHTTPVersion")]
    assert secret not in log
    assert "HTTP/9.9" not in log


def test_a_broken_body_that_no_view_reads_gets_no_second_answer(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n")
        answers = read_answers(connection)
    assert [answer.status for answer in answers] == [404]


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
def test_any_bytes_are_answered_in_time_and_refused_with_problems_alone(server: Any, lines: list[bytes]) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(b"\r\n".join([*lines, b"", b""]))
        connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)
    for answer in answers:
        assert answer.status < 500 or answer.status == 503, answer.body
        if answer.status >= 400:
            assert_problem(answer, answer.status, answer.json["type"].removeprefix("/problems/"))
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("headers", "part"),
    [(JSON | {"Content-Length": "100"}, b'{"instrument":'), (CHUNKED, b'64\r\n{"instrument":')],
)
def test_a_body_that_ends_early_is_a_bad_request(server: Any, headers: Any, part: Any) -> None:
    with server.connect() as connection:
        connection.sendall(server_head(headers) + part)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(12) == b"HTTP/1.1 400"


@pytest.mark.slow
def test_a_body_that_drips_in_is_cut_off(server: Any) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(server_head(JSON | {"Content-Length": "10000"}))
        for _ in range(60):
            try:
                connection.sendall(b" ")
            except OSError:
                break
            time.sleep(0.2)
            connection.settimeout(0.01)
            try:
                answer = connection.recv(12)
            except TimeoutError:
                continue
            assert answer == b"HTTP/1.1 400"
            break
        else:
            pytest.fail("the server still reads")
    assert time.monotonic() - began < 9


def test_a_refusal_leaves_the_server_in_step_with_the_connection(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(server_head(JSON | {"Content-Length": str(CAP + 10)}) + b" " * (CAP + 10))
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 413")
    assert received.count(b"HTTP/1.1 ") == 1 or received.endswith(b'{"status":"ok"}')


def server_head(headers: dict[str, str]) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
