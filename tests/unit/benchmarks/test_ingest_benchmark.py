"""The benchmark of ingest assumes no speed: a server that uses the bodies up is measured again with more of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from benchmarks.ingest_load import Target, drive_for

ANSWER = b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def quick_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A server on one connection that does nothing but answer, and so is quicker than any that is measured."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            held, _ = listener.accept()
            with held:
                while held.recv(65_536):
                    held.sendall(ANSWER)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    yield Target(port, "/api/v1/signals")
    ended.set()
    socket.create_connection(("127.0.0.1", port)).close()
    thread.join(5)
    listener.close()


def test_bodies_are_made_until_there_are_enough_for_the_time(quick_server: Target) -> None:
    made = count()
    runs: list[int] = []
    bodies = (str(next(made)).encode() for _ in iter(int, 1))
    outcome = drive_for(quick_server, bodies, clients=1, seconds=0.2, rate=10, begin=lambda: runs.append(1))
    assert outcome.seconds >= 0.2
    assert outcome.broken == outcome.refusals == 0
    assert len(runs) > 1, "the first few bodies were enough"
    assert outcome.answers < next(made)
