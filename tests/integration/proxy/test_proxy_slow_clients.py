"""Clients that send or read slowly, many more than the application has threads: none of them holds up a healthy one."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.integration.proxy import caddy
from tests.integration.proxy.caddy import SLOW_SECONDS, Proxy, head

SIGNALS = "/api/v1/signals"
EXPORT = f"{SIGNALS}/export.ndjson?instrument=EXPORTED"
REQUESTS = 100
FLOOR_SECONDS = 0.5
"""What another program on this machine may cost a request. Without the proxy a slow client costs it seconds."""
END_SECONDS = SLOW_SECONDS + 20
PAYLOAD = "p" * 31_000
EXPORTED = 150


def a_signal(**changes: object) -> bytes:
    return json.dumps({"instrument": "HEALTHY", "side": "buy", "price": "187.20", **changes}).encode()


def healthy_p99(proxy: Proxy) -> float:
    """The 99th percentile, in seconds, of a client that posts signals and reads them back, all of which succeeds."""
    took = []
    for _ in range(REQUESTS // 2):
        began = time.monotonic()
        made = proxy.request("POST", SIGNALS, a_signal(external_id=f"h-{time.monotonic_ns()}"))
        took.append(time.monotonic() - began)
        began = time.monotonic()
        read = proxy.request("GET", made.headers["location"])
        took.append(time.monotonic() - began)
        assert (made.status, read.status) == (201, 200)
    return sorted(took)[int(len(took) * 0.99)]


@contextmanager
def clients(proxy: Proxy, count: int, sent: bytes, receive_buffer: int | None = None) -> Iterator[list[socket.socket]]:
    """Connections that have sent these bytes and then stop."""
    with ExitStack() as stack:
        connections = [stack.enter_context(proxy.connect(receive_buffer)) for _ in range(count)]
        for connection in connections:
            connection.sendall(sent)
        yield connections


def forged() -> dict[str, str]:
    """Headers of a signature of the right form and time, made without the key."""
    return {
        "webhook_id": f"msg-{time.monotonic_ns()}",
        "webhook_timestamp": str(int(time.time())),
        "webhook_signature": "v1," + "A" * 43 + "=",
    }


def assert_undisturbed(front: Proxy, usual: float) -> None:
    assert healthy_p99(front) < 2 * usual + FLOOR_SECONDS


HALF_HEAD = b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nX-Half: "


def test_200_slow_heads_hold_up_nobody_and_are_ended(front: Proxy) -> None:
    usual = healthy_p99(front)
    with clients(front, 200, HALF_HEAD) as connections:
        assert_undisturbed(front, usual)
        for connection in connections:
            connection.settimeout(END_SECONDS)
            assert connection.recv(12) in (b"", b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("path", "headers", "body", "coding"),
    [
        (SIGNALS, dict, b'{"instrument": "SLOW",', "length"),
        (f"{SIGNALS}/batch", forged, b'{"signals": [' + b" " * 8_000, "length"),
        ("/api/v1/charts", dict, b'{"type": "line", ' + b" " * 100_000, "chunks"),
    ],
    ids=["signal", "batch with a forged signature", "chart"],
)
def test_200_slow_bodies_hold_up_nobody_and_are_ended(
    front: Proxy,
    application: tuple[str, Path],
    path: str,
    headers: Callable[[], dict[str, str]],
    body: bytes,
    coding: str,
) -> None:
    usual = healthy_p99(front)
    request_id = f"slow-{time.monotonic_ns()}"
    if coding == "length":
        sent = head("POST", path, content_length=str(len(body) + 100), x_request_id=request_id, **headers()) + body
    else:
        sent = head("POST", path, transfer_encoding="chunked", x_request_id=request_id, **headers())
        sent += b"%x\r\n%s" % (len(body) + 100, body)
    with clients(front, 200, sent) as connections:
        assert_undisturbed(front, usual)
        for connection in connections:
            connection.settimeout(END_SECONDS)
            reply = caddy.read_reply(connection)
            assert (reply.status, json.loads(reply.body)["type"]) == (408, "/problems/request-timeout")
            assert connection.recv(1) == b""
    assert request_id not in application[1].read_text()


def test_a_body_that_drips_in_gets_no_more_time(front: Proxy) -> None:
    began = time.monotonic()
    with front.connect() as connection:
        connection.sendall(head("POST", SIGNALS, content_length="1000"))
        connection.settimeout(0.1)
        reply = b""
        while not reply and time.monotonic() - began < END_SECONDS:
            connection.sendall(b" ")
            try:
                reply = connection.recv(12)
            except TimeoutError:
                continue
    assert reply == b"HTTP/1.1 408"
    assert time.monotonic() - began > SLOW_SECONDS - 1


@pytest.fixture(scope="module")
def export_bytes(front: Proxy) -> int:
    """The size of an export that is larger than what the kernel keeps for a client which does not read."""
    for number in range(EXPORTED):
        body = a_signal(instrument="EXPORTED", external_id=f"e-{number}", payload={"text": PAYLOAD})
        assert front.request("POST", SIGNALS, body).status == 201
    with front.connect() as connection:
        connection.sendall(head("GET", EXPORT, connection="close"))
        size = 0
        while piece := connection.recv(1 << 20):
            size += len(piece)
    assert size > EXPORTED * len(PAYLOAD)
    return size


def test_50_slow_readers_of_an_export_hold_up_nobody_and_are_ended(front: Proxy, export_bytes: int) -> None:
    """Exports have a quarter of the threads: readers over that are refused, the others are ended."""
    usual = healthy_p99(front)
    with clients(front, 50, head("GET", EXPORT), receive_buffer=4_096) as connections:
        statuses = [connection.recv(12) for connection in connections]
        assert set(statuses) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        readers = [one for one, status in zip(connections, statuses, strict=True) if status == b"HTTP/1.1 200"]
        assert readers
        assert_undisturbed(front, usual)
        time.sleep(SLOW_SECONDS)
        for connection in readers:
            assert read_to_the_end(connection) < export_bytes


def read_to_the_end(connection: socket.socket) -> int:
    """How many bytes still come on a connection that the other side has given up."""
    size = 0
    try:
        while piece := connection.recv(1 << 20):
            size += len(piece)
    except ConnectionResetError:
        pass
    return size
