"""What gunicorn itself answers, over a pair of real sockets."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http import errors
from structlog.testing import capture_logs

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
