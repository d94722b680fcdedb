"""The ingest benchmark works at any speed: it repeats a run without enough bodies and counts refusals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from itertools import count, repeat
from pathlib import Path

import pytest

from benchmarks.ingest import Case
from benchmarks.ingest_load import Outcome, Target, drive_for
from benchmarks.ingest_servers import Server

RESPONSE = b"HTTP/1.1 201 CREATED\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def fast_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    """A server with one connection that only sends responses, faster than any real one."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            connection, _ = listener.accept()
            with connection:
                while connection.recv(65_536):
                    connection.sendall(RESPONSE)

    thread = threading.Thread(target=serve)
    thread.start()
    port = listener.getsockname()[1]
    yield Target(port, "/api/v1/signals")
    ended.set()
    socket.create_connection(("127.0.0.1", port)).close()
    thread.join(5)
    listener.close()


def test_a_run_is_repeated_until_there_are_enough_bodies(fast_server: Target) -> None:
    numbers = count()
    runs: list[int] = []
    bodies = (str(next(numbers)).encode() for _ in iter(int, 1))
    outcome = drive_for(fast_server, bodies, clients=1, seconds=0.2, rate=10, begin=lambda: runs.append(1))
    assert outcome.seconds >= 0.2
    assert outcome.broken == outcome.refusals == 0
    assert len(runs) > 1, "the first few bodies were enough"
    assert outcome.responses < next(numbers)


def a_case(tmp_path: Path, *, refused: bool = False) -> Case:
    log = tmp_path / "web.log"
    log.write_text("it broke")
    target = Target(1, "/api/v1/signals")
    return Case("a case", Server("a server", target, 1, log), target, repeat(b""), refused=refused)


def an_outcome(refusals: int, broken: int = 0) -> Outcome:
    return Outcome(responses=100, refusals=refusals, broken=broken, seconds=1, p50_ms=1, p99_ms=1)


def test_refusals_of_a_busy_server_are_counted(tmp_path: Path) -> None:
    assert [a_case(tmp_path).unavailable(an_outcome(refusals)) for refusals in (0, 1, 50)] == [0, 1, 50]


def test_refusals_of_duplicates_are_expected(tmp_path: Path) -> None:
    assert a_case(tmp_path, refused=True).unavailable(an_outcome(100)) == 0


@pytest.mark.parametrize(
    ("outcome", "refused"), [(an_outcome(51), False), (an_outcome(0), True), (an_outcome(0, broken=1), False)]
)
def test_a_meaningless_run_ends_the_benchmark_with_the_servers_log(
    outcome: Outcome, refused: bool, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="it broke"):
        a_case(tmp_path, refused=refused).unavailable(outcome)
