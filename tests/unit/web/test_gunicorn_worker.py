"""What gunicorn itself answers, over a pair of real sockets, and how a worker counts its connections."""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.http import errors, wsgi
from gunicorn.workers.gthread import ThreadWorker
from structlog.testing import capture_logs

from app.web import gunicorn_worker
from app.web.gunicorn_worker import FAULTS_OF_THE_APPLICATION, Worker

PEER = ("192.0.2.7", 4711)
FAULTS_OF_CLIENTS = sorted(
    {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.ParseException) and kind not in FAULTS_OF_THE_APPLICATION
    },
    key=lambda kind: kind.__name__,
)


def refused(exc: Exception, request: Any = None, peer: Any = PEER) -> tuple[int, dict[str, Any]]:
    """Status and document of the answer to what raised this; nothing when there is no answer."""
    client, server = socket.socketpair()
    with client, server:
        Worker.handle_error(Worker.__new__(Worker), request, server, peer, exc)
        server.close()
        head, _, body = client.makefile("rb").read().partition(b"\r\n\r\n")
    return (int(head.split()[1]), json.loads(body)) if head else (0, {})


@pytest.mark.parametrize("kind", FAULTS_OF_CLIENTS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("request_was_read", [False, True])
def test_whatever_gunicorn_cannot_read_is_the_clients_fault(kind: type[Exception], request_was_read: bool) -> None:
    status, document = refused(kind.__new__(kind), SimpleNamespace() if request_was_read else None)
    assert 400 <= status < 500
    assert document["status"] == status
    assert document["type"].startswith("/problems/")


def test_an_error_nobody_foresaw_while_reading_a_request_is_the_clients_fault_too() -> None:
    with capture_logs() as logged:
        status, document = refused(ValueError("\x00<b>"))
    assert (status, document["detail"]) == (400, "the request cannot be read")
    assert [(line["event"], line["reason"], line["peer"]) for line in logged] == [
        ("request_unreadable", "ValueError", "192.0.2.7")
    ]
    assert "<b>" not in json.dumps(logged)


@pytest.mark.parametrize("kind", [ZeroDivisionError, *FAULTS_OF_THE_APPLICATION])
def test_what_the_application_lets_through_is_a_bug_told_to_its_operator_alone(kind: type[Exception]) -> None:
    with capture_logs() as logged:
        status, document = refused(kind("hush"), SimpleNamespace())
    assert (status, document["type"]) == (500, "/problems/internal-error")
    assert "hush" not in json.dumps(document)
    (line,) = logged
    assert line["event"] == "unhandled_exception"
    assert line["request_id"] == document["request_id"]
    assert isinstance(line["exc_info"], kind)


def test_a_request_that_was_answered_is_not_answered_again() -> None:
    assert refused(errors.InvalidChunkSize(b"zz"), SimpleNamespace(answered=True)) == (0, {})


def test_a_client_behind_a_socket_file_is_answered() -> None:
    assert refused(errors.InvalidRequestLine("x"), peer="")[0] == 400


def test_a_client_that_is_gone_is_left_alone() -> None:
    client, server = socket.socketpair()
    client.close()
    with server:
        Worker.handle_error(Worker.__new__(Worker), None, server, PEER, errors.InvalidRequestLine("x"))


REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
BUG = b"GET /bug HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def application(environ: Any, start_response: Any) -> list[bytes]:
    environ["wsgi.input"].read()
    if environ["PATH_INFO"] == "/bug":
        raise ZeroDivisionError
    answer = str(threading.get_ident()).encode() if environ["PATH_INFO"] == "/thread" else b"ok"
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]


@pytest.fixture
def gunicorns_loggers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given back as they were: gunicorn takes them for itself, and other tests read what they hand on."""
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "propagate", logger.propagate)
        monkeypatch.setattr(logger, "handlers", logger.handlers[:])
        monkeypatch.setattr(logger, "level", logger.level)


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, gunicorns_loggers: None) -> Iterator[Any]:
    """A worker that serves in a thread of the test, impatient and with two threads of its own."""
    monkeypatch.setattr(gunicorn_worker, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(gunicorn_worker, "CLOSE_SECONDS", 0.3)
    monkeypatch.setattr(gunicorn_worker, "LOOK_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as listener, serving(listener) as worker:
        yield worker


@contextmanager
def serving(listener: socket.socket) -> Iterator[Any]:
    config = Config()
    for name, value in {"threads": 2, "keepalive": 1, "graceful_timeout": 5}.items():
        config.set(name, value)
    worker = Worker(0, os.getppid(), [listener], None, 30, config, Logger(config))
    worker.wsgi = application
    worker.tpool = worker.get_thread_pool()
    worker.poller = selectors.DefaultSelector()
    worker.method_queue.init()
    thread = threading.Thread(target=worker.run)
    thread.start()
    yield worker
    worker.handle_exit(None, None)
    thread.join()
    worker.tmp.close()


def connect(worker: Any) -> socket.socket:
    return socket.create_connection(worker.sockets[0].getsockname(), timeout=5)


def closed(client: socket.socket) -> None:
    client.close()


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def half_closed(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


def left(client: socket.socket) -> None:
    """The client does nothing more."""


@pytest.mark.parametrize("ending", [closed, reset, half_closed, left])
@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /", b"x\n", REQUEST, REQUEST + b"GET /", REQUEST * 2, LAST_REQUEST, LAST_REQUEST * 2, BUG],
)
def test_a_connection_is_counted_once_when_it_comes_and_once_when_it_is_gone(
    worker: Any, sent: bytes, ending: Callable[[socket.socket], None]
) -> None:
    with ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(connect(worker))
            client.sendall(sent)
            ending(client)
        with connect(worker) as last:
            last.sendall(LAST_REQUEST)
            assert last.makefile("rb").read().endswith(b"ok")
        # The last was answered, so that all before it were counted.
        wait_until(lambda: worker.nr_conns <= 0)
        time.sleep(0.1)
        assert worker.nr_conns == 0


def test_a_connection_that_is_kept_alive_stays_counted(worker: Any) -> None:
    with connect(worker) as client, client.makefile("rb") as stream:
        for _ in range(3):
            client.sendall(REQUEST)
            while stream.readline().strip():
                pass
            assert stream.read(2) == b"ok"
            assert worker.nr_conns == 1


def test_a_worker_leaves_new_connections_to_one_that_has_fewer(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "DEFERENCE_SECONDS", 0.1)
    # A listener of its own to close: the other worker still looks at it.
    with serving(worker.sockets[0].dup()) as idle, ExitStack() as stack:
        worker.nr_conns += 10
        for _ in range(3):
            assert ask(stack.enter_context(connect(worker)), "/") == b"ok"
        taken = idle.nr_conns, worker.nr_conns - 10
        worker.nr_conns -= 10
    assert taken == (3, 0)


def ask(client: socket.socket, path: str) -> bytes:
    """The body of one answer over a connection that is kept."""
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    head, _, body = receive(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    return body


def receive(client: socket.socket) -> bytes:
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.partition(b"\r\n\r\n")[2]:
        piece = client.recv(1_000)
        assert piece
        answer += piece
    return answer


def test_requests_that_come_one_upon_the_other_keep_their_thread(worker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "STAY_MILLISECONDS", 2_000)
    with connect(worker) as one, connect(worker) as other:
        threads = [(ask(one, "/thread"), ask(other, "/thread")) for _ in range(5)]
    assert len(set(threads)) == 1
    assert len(set(threads[0])) == 2


def test_a_connection_that_keeps_its_thread_leaves_it_when_others_need_it(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads, three connections, each of which would stay for longer than this test may take."""
    monkeypatch.setattr(gunicorn_worker, "STAY_MILLISECONDS", 60_000)
    with connect(worker) as first, connect(worker) as second, connect(worker) as third:
        wait_until(lambda: worker.nr_conns == 3)
        for _ in range(5):
            for client in (first, second, third):
                assert ask(client, "/") == b"ok"


def test_a_connection_that_stays_quiet_gives_its_thread_back(worker: Any) -> None:
    with connect(worker) as client:
        assert ask(client, "/") == b"ok"
        wait_until(lambda: len(worker.keepalived_conns) == 1)
        assert ask(client, "/") == b"ok"


@pytest.mark.parametrize(
    "body",
    [b"\r\n", b"Content-Length: 2\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"],
    ids=["none", "length", "chunks"],
)
def test_a_thread_that_comes_late_closes_no_connection_whose_request_was_read(
    worker: Any, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    """As if the thread had waited for its turn longer than it may wait for the rest of a body."""
    monkeypatch.setattr(gunicorn_worker, "SKIP_SECONDS", -1.0)
    with connect(worker) as client, client.makefile("rb") as stream:
        for _ in range(3):
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
            while stream.readline().strip():
                pass
            assert stream.read(2) == b"ok"


def test_a_worker_that_stops_answers_the_head_it_has_half_of(worker: Any) -> None:
    with connect(worker) as client, connect(worker) as quiet:
        client.sendall(REQUEST[:9])
        wait_until(lambda: worker.nr_conns == 2)
        worker.handle_exit(None, None)
        client.sendall(REQUEST[9:])
        answer = client.makefile("rb").read()
        assert b"Connection: close" in answer
        assert answer.endswith(b"ok")
        assert quiet.recv(1) == b""


class Sends(list[bytes]):
    sendall = list.append


def answer(method: str, headers: dict[str, str], *pieces: bytes) -> list[bytes]:
    """What is sent for an answer of these pieces, send by send."""
    sends = Sends()
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    made = gunicorn_worker._Answer(request, sends, Config())
    made.start_response("200 OK", list(headers.items()))
    for piece in pieces:
        made.write(piece)
    made.close()
    return sends


def test_a_short_answer_is_sent_at_once() -> None:
    (sent,) = answer("GET", {"Content-Length": "2"}, b"ok")
    head, _, body = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"ok"


def test_of_a_long_answer_the_first_piece_is_sent_with_the_head_and_the_others_as_they_come() -> None:
    first, *others = answer("GET", {"Content-Length": "6"}, b"one", b"two")
    assert first.endswith(b"\r\n\r\none")
    assert others == [b"two"]


def test_an_answer_without_a_length_goes_in_chunks() -> None:
    first, *others = answer("GET", {}, b"one", b"two")
    assert first.endswith(b"\r\n\r\n3\r\none\r\n")
    assert b"".join(others) == b"3\r\ntwo\r\n0\r\n\r\n"


def test_an_answer_without_a_body_is_its_head() -> None:
    (sent,) = answer("HEAD", {"Content-Length": "2"})
    assert sent.endswith(b"Content-Length: 2\r\n\r\n")


def test_a_worker_sends_answers_that_way_and_dates_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wsgi, "Response", wsgi.Response)
    monkeypatch.setattr(util, "http_date", util.http_date)
    monkeypatch.setattr(ThreadWorker, "init_process", lambda _: None)
    Worker.init_process(Worker.__new__(Worker))
    assert wsgi.Response is gunicorn_worker._Answer
    assert abs(parsedate_to_datetime(util.http_date()) - datetime.now(UTC)) < timedelta(seconds=5)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)
