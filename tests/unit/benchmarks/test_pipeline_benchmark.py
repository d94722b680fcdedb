"""The benchmarks of the pipeline and of the cleanup: the client reads responses, and missed goals are reported."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import media, pipeline
from benchmarks.goals import Goal
from benchmarks.pipeline_load import Connection, Response, get, post, spread

RESPONSES = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nimage',
    b'HTTP/1.1 202 ACCEPTED\r\ncontent-length: 9\r\nConnection: close\r\n\r\n{"id": 1}',
    b"HTTP/1.1 304 NOT MODIFIED\r\n\r\n",
]


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that sends these responses one after the other, to any request."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        remaining = list(RESPONSES)
        while remaining:
            connection, _ = listener.accept()
            with connection:
                while remaining and connection.recv(10_000):
                    response = remaining.pop(0)
                    connection.sendall(response[:30])
                    connection.sendall(response[30:])
                    if b"close" in response:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()


def test_responses_are_read_over_open_and_closed_connections(server: int) -> None:
    connection = Connection(server)
    image = connection.send(get("/image"))
    assert (image.status, image.body, image.header("etag")) == (200, b"image", '"x"')
    accepted = connection.send(post("/charts", {"a": 1}))
    assert (accepted.status, accepted.document(), accepted.header("none")) == (202, {"id": 1}, "")
    assert connection.send(get("/image", {"If-None-Match": '"x"'})).status == 304
    connection.close()


class FakeConnection(Connection):
    """A connection that returns these statuses and documents one after the other and keeps the requests."""

    def __init__(self, *replies: tuple[int, dict[str, Any]]) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []

    def send(self, request: bytes) -> Response:
        self.requests.append(request.partition(b" HTTP")[0])
        status, document = self.replies.pop(0)
        return Response(status, b"", json.dumps(document).encode())


def test_a_chart_with_response_202_is_polled() -> None:
    ready = {"id": "1", "status": "ready"}
    fake = FakeConnection(
        (202, {"id": "1", "status": "queued"}), (202, {"id": "1", "status": "rendering"}), (200, ready)
    )
    assert pipeline.drawn(fake, post("/api/v1/charts", {})) == ready
    assert fake.requests == [b"POST /api/v1/charts", b"GET /api/v1/charts/1", b"GET /api/v1/charts/1"]


@pytest.mark.parametrize("reply", [(503, {}), (200, {"id": "1", "status": "failed"})])
def test_a_chart_that_is_refused_or_fails_ends_the_benchmark(reply: tuple[int, dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        pipeline.drawn(FakeConnection(reply), b"")


def test_work_is_spread_over_all_connections_and_each_request_sent_once() -> None:
    done: list[int] = []

    def request(number: int) -> Any:
        return lambda _: done.append(number)

    spread(1, 4, [request(number) for number in range(50)])
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize(
    ("sign", "bound", "met"), [("<=", 5, True), ("<", 5, False), (">=", 5, True), (">=", 6, False)]
)
def test_a_goal_is_met_or_missed(sign: Any, bound: float, met: bool) -> None:
    row = Goal("a goal", 5.0, sign, bound).row()
    assert row["met"] is met
    assert Goal.line(row).endswith("met" if met else "MISSED")


def test_every_goal_of_the_pipeline_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    slow = {"p50_ms": 41.0, "p99_ms": 119.0}
    report: dict[str, Any] = {
        "machine": {"cores": 2},
        "database": "sqlite",
        "idle": slow,
        "signals": {"signals_per_second": 1.0},
        "sustained": {"charts_per_second": 61.0},
        "reads": {"reads_per_second": 2_000.0},
        "not_modified": {"reads_per_second": 1_999.0, "speed_of_whole": 0.89},
        "storm": {"renders": 2.0},
    }
    report["goals"] = [goal.row() for goal in pipeline.goals(report)]
    assert [row["met"] for row in report["goals"]] == [False, True, True, True, False, False]
    assert sum("MISSED" in line for line in pipeline.lines_of(report)) == 3


def test_the_cleanup_benchmark_removes_every_file() -> None:
    report = media.run_all(300)
    assert {step["files"] for step in report["steps"].values()} == {300, 200, 100, 0}
    assert [*media.lines_of(report)]


def test_one_disturbed_pair_does_not_change_the_ratio() -> None:
    assert pipeline.median_ratio([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 9.0, 1.0, 1.0]) == 1.0
    assert pipeline.median_ratio([1.0, 1.0, 9.0], [1.25, 1.25, 1.25]) == 0.8
