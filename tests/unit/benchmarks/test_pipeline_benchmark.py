"""The benchmarks of the line and of the clean-up: their client reads answers right, a missed goal is called missed."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks import media, pipeline
from benchmarks.goals import Goal
from benchmarks.pipeline_load import Answer, Connection, get, post, spread

ANSWERS = [
    b'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: "x"\r\n\r\nimage',
    b'HTTP/1.1 202 ACCEPTED\r\ncontent-length: 9\r\nConnection: close\r\n\r\n{"id": 1}',
    b"HTTP/1.1 304 NOT MODIFIED\r\n\r\n",
]


@pytest.fixture
def server() -> Iterator[int]:
    """The port of a server that gives these answers in turn, whatever it is asked, and closes where it says so."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        left = list(ANSWERS)
        while left:
            held, _ = listener.accept()
            with held:
                while left and held.recv(10_000):
                    answer = left.pop(0)
                    held.sendall(answer[:30])
                    held.sendall(answer[30:])
                    if b"close" in answer:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    thread.join(5)
    listener.close()


def test_answers_come_back_whole_over_kept_and_closed_connections(server: int) -> None:
    connection = Connection(server)
    image = connection.send(get("/image"))
    assert (image.status, image.body, image.header("etag")) == (200, b"image", '"x"')
    asked = connection.send(post("/charts", {"a": 1}))
    assert (asked.status, asked.document(), asked.header("none")) == (202, {"id": 1}, "")
    assert connection.send(get("/image", {"If-None-Match": '"x"'})).status == 304
    connection.close()


class Replies(Connection):
    """A connection that gives these statuses and documents in turn, and keeps what was sent."""

    def __init__(self, *replies: tuple[int, dict[str, Any]]) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []

    def send(self, request: bytes) -> Answer:
        self.requests.append(request.partition(b" HTTP")[0])
        status, document = self.replies.pop(0)
        return Answer(status, b"", json.dumps(document).encode())


def test_a_chart_that_a_busy_server_answers_with_202_is_polled_for() -> None:
    ready = {"id": "1", "status": "ready"}
    replies = Replies((202, {"id": "1", "status": "queued"}), (202, {"id": "1", "status": "rendering"}), (200, ready))
    assert pipeline.drawn(replies, post("/api/v1/charts", {})) == ready
    assert replies.requests == [b"POST /api/v1/charts", b"GET /api/v1/charts/1", b"GET /api/v1/charts/1"]


@pytest.mark.parametrize("reply", [(503, {}), (200, {"id": "1", "status": "failed"})])
def test_a_chart_that_is_refused_or_fails_ends_the_benchmark(reply: tuple[int, dict[str, Any]]) -> None:
    with pytest.raises(AssertionError):
        pipeline.drawn(Replies(reply), b"")


def test_work_is_spread_over_all_connections_and_each_piece_done_once() -> None:
    done: list[int] = []

    def piece(number: int) -> Any:
        return lambda _: done.append(number)

    spread(1, 4, [piece(number) for number in range(50)])
    assert sorted(done) == list(range(50))


@pytest.mark.parametrize(
    ("sign", "bound", "met"), [("<=", 5, True), ("<", 5, False), (">=", 5, True), (">=", 6, False)]
)
def test_a_goal_is_met_or_missed(sign: Any, bound: float, met: bool) -> None:
    row = Goal("a goal", 5.0, sign, bound).row()
    assert row["met"] is met
    assert Goal.line(row).endswith("met" if met else "MISSED")


def test_every_goal_of_the_line_is_told(capsys: pytest.CaptureFixture[str]) -> None:
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


def test_the_clean_up_is_measured_to_the_last_file() -> None:
    report = media.run_all(300)
    assert {step["files"] for step in report["steps"].values()} == {300, 200, 100, 0}
    assert [*media.lines_of(report)]


def test_one_disturbed_pair_of_turns_does_not_decide_about_304s() -> None:
    assert pipeline.median_ratio([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 9.0, 1.0, 1.0]) == 1.0
    assert pipeline.median_ratio([1.0, 1.0, 9.0], [1.25, 1.25, 1.25]) == 0.8
