"""Bodies that are too large, broken, slow or of another kind, against the real server."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from config import Settings

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
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    assert received.startswith(b"HTTP/1.1 400")
    assert received.count(b"HTTP/1.1 ") == 1


def test_a_compressed_transfer_is_refused(server: Any) -> None:
    headers = JSON | {"Transfer-Encoding": "gzip, chunked"}
    assert_problem(server.request("POST", PATH, chunked(b"{}"), headers), 415, "unsupported-media-type")


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
