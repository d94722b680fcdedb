"""Clients that take their time over a head, or over closing: none of them holds up another."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import pytest

from app.web.gunicorn_worker import CLOSE_SECONDS, HEAD_SECONDS, LONGEST_HEAD
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


@pytest.mark.parametrize(
    "sent",
    [b"", b"G", b"GET /hea", REQUEST[:-2], b"\r\n", b"\x16\x03\x01", REQUEST, REQUEST + REQUEST[:-2]],
    ids=["nothing", "byte", "half a line", "all but the end", "empty line", "TLS", "a request", "a request and a half"],
)
def test_connections_that_stop_before_the_end_of_a_head_hold_up_nobody(server: Any, sent: bytes) -> None:
    with many_that_send(server, sent):
        assert seconds_of_another(server) < SOON
        assert seconds_of_another(server) < SOON


@pytest.mark.parametrize("before", [b"", REQUEST], ids=["first", "kept alive"])
@pytest.mark.parametrize("sent", [b"GET /hea", REQUEST[:-2]])
def test_a_head_that_stops_half_way_is_refused_in_time(server: Any, before: bytes, sent: bytes) -> None:
    with server.connect() as connection:
        if before:
            connection.sendall(before)
            assert read_answer(connection).status == 200
            # Time in which nothing comes is not counted.
            time.sleep(0.5)
        began = time.monotonic()
        connection.sendall(sent)
        (answer,) = read_answers(connection)
    assert HEAD_SECONDS - 0.1 < time.monotonic() - began < 3
    assert_problem(answer, 408, "request-timeout")
    assert answer.headers["connection"] == "close"
    (line,) = [line for line in server.log.read_text().splitlines() if answer.json["request_id"] in line]
    assert json.loads(line)["event"] == "request_unreadable"


def test_a_head_that_drips_in_gets_no_more_time(server: Any) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.settimeout(0.05)
        answer = b""
        while not answer:
            connection.sendall(b"x")
            with suppress(TimeoutError):
                answer = connection.recv(12)
    assert answer == b"HTTP/1.1 408"
    assert time.monotonic() - began < 3


def test_a_head_is_read_in_whatever_pieces_it_comes(server: Any) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in REQUEST * 2:
            connection.sendall(bytes([byte]))
            time.sleep(0.003)
        connection.sendall(REQUEST + LAST_REQUEST)
        answers = read_answers(connection)
    assert [answer.status for answer in answers] == [200] * 4


def test_half_a_head_behind_a_request_is_waited_for_and_read(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(REQUEST + LAST_REQUEST[:10])
        assert read_answer(connection).status == 200
        connection.sendall(LAST_REQUEST[10:])
        assert [answer.status for answer in read_answers(connection)] == [200]


def test_half_a_head_behind_a_request_is_refused_in_time(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(REQUEST + b"GET /hea")
        answers = read_answers(connection)
    assert [answer.status for answer in answers] == [200, 408]


def test_a_head_that_ends_early_is_a_bad_request(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET /hea")
        connection.shutdown(socket.SHUT_WR)
        (answer,) = read_answers(connection)
    assert_problem(answer, 400, "bad-request")


def test_a_line_that_ends_without_a_carriage_return_is_refused_at_once(server: Any) -> None:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\nHost: x\n\n")
        (answer,) = read_answers(connection)
    assert_problem(answer, 400, "bad-request")
    assert time.monotonic() - began < SOON


def test_a_head_without_end_is_refused_as_too_long(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(REQUEST[:-2] + b"X: y\r\n" * (LONGEST_HEAD // 6 + 1))
        (answer,) = read_answers(connection)
    assert_problem(answer, 431, "request-header-fields-too-large")


def test_connections_that_say_nothing_are_closed_without_a_word(server: Any) -> None:
    with server.connect() as connection:
        assert connection.recv(1) == b""


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
        connection.sendall(f"GET {SCRIPT} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        received = connection.recv(32_768)
        connection.sendall(sent_after)
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


def test_bodies_that_nobody_reads_and_that_do_not_come_hold_up_nobody(server: Any) -> None:
    with many_that_send(server, b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n") as clients:
        assert seconds_of_another(server) < SOON
        assert [read_answer(client).status for client in clients] == [404] * MANY


def test_a_connection_is_kept_after_a_body_that_nobody_reads_and_that_comes(server: Any) -> None:
    with server.connect() as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + bytes(20_000))
        connection.sendall(LAST_REQUEST)
        assert [answer.status for answer in read_answers(connection)] == [404, 200]
