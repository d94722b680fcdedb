"""Clients that take their time over closing: none of them holds up another."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from app.web.gunicorn_worker import CLOSE_SECONDS
from tests.integration.web.conftest import read_answer, read_answers
from tests.integration.web.test_framing import assert_problem

MANY = 64
"""Sixteen times the server's threads."""
SOON = 1.0
SCRIPT = "/docs/swagger-ui-bundle.js"
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@contextmanager
def many_that_send(server: Any, sent: bytes) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(MANY)]
        for client in clients:
            client.sendall(sent)
        time.sleep(0.2)
        yield clients


def seconds_of_another(server: Any) -> float:
    began = time.monotonic()
    assert server.request("GET", "/healthz").status == 200
    return time.monotonic() - began


def test_clients_that_do_not_close_hold_up_nobody(server: Any) -> None:
    with many_that_send(server, LAST_REQUEST) as clients:
        assert seconds_of_another(server) < SOON
        assert seconds_of_another(server) < SOON
        assert [read_answer(client).status for client in clients] == [200] * MANY


def test_a_client_that_does_not_close_is_closed_in_the_end(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(LAST_REQUEST)
        assert [answer.status for answer in read_answers(connection)] == [200]
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            while time.monotonic() - began < 5:
                connection.sendall(b"x")
                time.sleep(0.05)
    assert time.monotonic() - began > CLOSE_SECONDS - 0.5


@pytest.mark.parametrize("sent_after", [b"", REQUEST], ids=["silent", "sends on"])
def test_a_slow_reader_gets_a_large_last_answer_whole(server: Any, sent_after: bytes) -> None:
    whole = server.request("GET", SCRIPT).body
    assert len(whole) > 10**6
    with socket.socket() as connection:
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(f"GET {SCRIPT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode() + sent_after)
        received = b""
        while piece := connection.recv(32_768):
            received += piece
            time.sleep((CLOSE_SECONDS + 2) * len(piece) / len(whole))
    assert received.endswith(whole)


def test_a_client_that_sends_a_large_refused_body_to_its_end_can_read_why(server: Any) -> None:
    with server.connect() as connection:
        size = 4 * 2**20
        head = f"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {size}"
        connection.sendall(f"{head}\r\n\r\n".encode())
        for _ in range(64):
            connection.sendall(bytes(size // 64))
            time.sleep(0.01)
        (answer,) = read_answers(connection)
    assert_problem(answer, 413, "payload-too-large")
