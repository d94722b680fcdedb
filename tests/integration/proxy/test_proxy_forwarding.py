"""What the proxy hands on: whole bodies with their length, the client's host, address and request id."""

from __future__ import annotations

import json
import socket
import struct
import time
from pathlib import Path

import pytest

from tests.integration.proxy.caddy import Proxy, Recorder, chunks, head, wait_for_line

SIGNALS = "/api/v1/signals"
Recorded = tuple[Proxy, Recorder]


def a_body(**changes: object) -> bytes:
    return json.dumps({"instrument": "AAPL", "side": "buy", "price": "187.20", **changes}).encode()


def count(front: Proxy, **query: str) -> int:
    text = "&".join(f"{name}={value}" for name, value in query.items())
    return len(json.loads(front.request("GET", f"{SIGNALS}?{text}").body)["signals"])


@pytest.mark.parametrize("size", [1, 3_000, 300_000, 4 * 1024 * 1024])
def test_a_chunked_body_arrives_whole_and_with_its_length(recorded: Recorded, size: int) -> None:
    proxy, record = recorded
    body = bytes(65 + number % 26 for number in range(size))
    reply = proxy.send(head("POST", "/x", transfer_encoding="chunked"), chunks(body, 60_000))
    assert reply.status == 200
    assert record.header("Content-Length") == [str(size)]
    assert record.header("Transfer-Encoding") == []
    assert record.bodies == [body]


def test_an_empty_chunked_body_has_the_length_nought(recorded: Recorded) -> None:
    proxy, record = recorded
    assert proxy.send(head("POST", "/x", transfer_encoding="chunked"), chunks(b"")).status == 200
    assert record.header("Content-Length") == ["0"]
    assert record.header("Transfer-Encoding") == []


def test_a_chunked_signal_is_stored_whole(front: Proxy) -> None:
    body = a_body(instrument="CHUNKED", payload={"text": "n" * 20_000})
    reply = front.send(head("POST", SIGNALS, transfer_encoding="chunked"), chunks(body))
    assert reply.status == 201
    stored = json.loads(front.request("GET", reply.headers["location"]).body)
    assert stored["payload"] == {"text": "n" * 20_000}


CUT_SIGNAL = a_body(instrument="CUT")
CUT_HOOK = b"ticker: CUT\naction: buy\nprice: 1234.56\n"
CUT_BARS = b"time,open,high,low,close\n2026-11-20,1,2,1,2\n2026-11-23,1,2,1,2\n"
LARGE = a_body(instrument="CUT", payload={"text": "n" * 30_000})


@pytest.mark.parametrize("end", ["FIN", "RST"])
@pytest.mark.parametrize("coding", ["length", "chunks"])
@pytest.mark.parametrize(
    ("path", "body", "media_type"),
    [
        (SIGNALS, CUT_SIGNAL + b" " * 20, "application/json"),
        (SIGNALS, LARGE + b" " * 20, "application/json"),
        ("hook", CUT_HOOK, "text/plain"),
        ("/api/v1/bars/CUT/1d", CUT_BARS, "text/csv"),
    ],
    ids=["signal", "large signal", "hook", "bars"],
)
def test_a_body_that_is_cut_never_reaches_the_application(
    front: Proxy,
    application: tuple[str, Path],
    hook_paths: dict[str, str],
    path: str,
    body: bytes,
    media_type: str,
    coding: str,
    end: str,
) -> None:
    """What is cut off is in each case a body that would be taken without its rest."""
    request_id = f"cut-{time.monotonic_ns()}"
    path = hook_paths["127.0.0.0/8"] if path == "hook" else path
    method = "PUT" if "bars" in path else "POST"
    framing = {"content_length": str(len(body))} if coding == "length" else {"transfer_encoding": "chunked"}
    sent = body[:-12] if coding == "length" else chunks(body[:-12])[: -len(b"0\r\n\r\n")]
    with front.connect() as connection:
        connection.sendall(head(method, path, **framing, content_type=media_type, x_request_id=request_id) + sent)
        time.sleep(0.05)
        if end == "RST":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(12) == b"HTTP/1.1 408"
    assert front.request("GET", SIGNALS, x_request_id=f"after-{request_id}").status == 200
    wait_for_line(application[1], f"after-{request_id}")
    assert f'"{request_id}"' not in application[1].read_text()
    assert count(front, instrument="CUT") == 0


@pytest.mark.parametrize("coding", ["length", "chunks"])
def test_a_body_over_the_limit_is_a_problem_and_the_connection_ends(recorded: Recorded, coding: str) -> None:
    proxy, record = recorded
    body = b"a" * (4 * 1024 * 1024 + 1)
    with proxy.connect() as connection:
        if coding == "length":
            connection.sendall(head("PUT", "/api/v1/bars/X/1d", content_length=str(len(body))))
        else:
            connection.sendall(head("PUT", "/api/v1/bars/X/1d", transfer_encoding="chunked") + chunks(body, 60_000))
        reply = b""
        while data := connection.recv(65_536):
            reply += data
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert reply.count(b"HTTP/1.1 ") == 1
    assert json.loads(reply.partition(b"\r\n\r\n")[2])["type"] == "/problems/payload-too-large"
    assert record.bodies == []


def test_the_host_that_the_client_names_is_passed_on(recorded: Recorded) -> None:
    proxy, record = recorded
    assert proxy.request("GET", "/x", host="desk.signals.example:8443").status == 200
    assert record.header("Host") == ["desk.signals.example:8443"]


@pytest.mark.parametrize("coding", ["length", "chunks"])
def test_an_address_that_the_client_makes_up_is_dropped(recorded: Recorded, coding: str) -> None:
    proxy, record = recorded
    framing = {"content_length": "2"} if coding == "length" else {"transfer_encoding": "chunked"}
    made_up = {"x_forwarded_for": "203.0.113.9", "x_forwarded_proto": "https", "x_forwarded_host": "evil.example"}
    body = b"{}" if coding == "length" else chunks(b"{}")
    assert proxy.send(head("POST", "/x", **framing, **made_up) + body).status == 200
    assert record.header("X-Forwarded-For") == ["127.0.0.1"]
    assert record.header("X-Forwarded-Proto") == ["http"]
    assert record.header("X-Forwarded-Host") == ["signals.example"]


def test_a_header_with_an_underscore_in_its_name_is_dropped(recorded: Recorded) -> None:
    """To a Python application it is the same as one with a hyphen."""
    proxy, record = recorded
    made_up = b"X_Forwarded_For: 203.0.113.9\r\nTransfer_Encoding: chunked\r\nX-Producer_Id: desk-1\r\n\r\n"
    request = head("GET", "/x").removesuffix(b"\r\n") + made_up
    assert proxy.send(request).status == 200
    for name in ("X_Forwarded_For", "Transfer_Encoding", "X-Producer_Id"):
        assert record.header(name) == []
    assert record.header("X-Forwarded-For") == ["127.0.0.1"]


@pytest.mark.parametrize("coding", ["length", "chunks"])
def test_a_hook_for_some_networks_sees_the_clients_real_address(
    front: Proxy, hook_paths: dict[str, str], coding: str
) -> None:
    def send(network: str, claimed: str) -> int:
        body = json.dumps({"ticker": "EURUSD", "action": "buy", "close": "1.07", "id": time.monotonic_ns()}).encode()
        framing = {"content_length": str(len(body))} if coding == "length" else {"transfer_encoding": "chunked"}
        sent = body if coding == "length" else chunks(body)
        return front.send(head("POST", hook_paths[network], x_forwarded_for=claimed, **framing) + sent).status

    assert send("127.0.0.0/8", "203.0.113.9") == 201
    assert send("203.0.113.0/24", "203.0.113.9") == 404


def test_a_request_has_one_id_in_both_logs(front: Proxy, application: tuple[str, Path]) -> None:
    named = front.request("GET", SIGNALS, x_request_id="mine-1")
    assert named.headers["x-request-id"] == "mine-1"
    made = front.request("GET", SIGNALS, x_request_id="not\tmine")
    assert len(made.headers["x-request-id"]) == 36
    for request_id in ("mine-1", made.headers["x-request-id"]):
        assert wait_for_line(application[1], request_id)
        assert wait_for_line(front.log, request_id)
