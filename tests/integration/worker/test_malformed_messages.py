"""Malformed messages in the broker: a real worker refuses, logs and counts each, and runs the next task."""

from __future__ import annotations

import base64
import json
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from app.shared.queue import CHARTS, DISPATCH, EVENTS, RENDER, Queue, producer
from config import Settings
from tests import processes
from tests.processes import Running, free_port

SECRET = "only-in-the-body"
SECONDS = 45


def body(value: Any) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


def message(**changes: Any) -> dict[str, Any]:
    """A message in the form in which Celery stores it in the broker, with some parts replaced."""
    task_id = str(uuid.uuid4())
    parts: dict[str, Any] = {
        "body": body([["5f0c2d4e6b899a51f0c27d3e8a0190b1"], {}, None]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": RENDER, "id": task_id, "timelimit": [None, None], "retries": 0},
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": "charts", "routing_key": "charts"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return parts | changes


def with_headers(**headers: Any) -> dict[str, Any]:
    parts = message()
    return parts | {"headers": parts["headers"] | headers}


def with_properties(**properties: Any) -> dict[str, Any]:
    parts = message()
    return parts | {"properties": parts["properties"] | properties}


def without(part: str, inside: str = "") -> dict[str, Any]:
    parts = message()
    if inside:
        return parts | {inside: {name: value for name, value in parts[inside].items() if name != part}}
    return {name: value for name, value in parts.items() if name != part}


DEEP = '{"body": ' + "[" * 50_000 + "]" * 50_000 + "}"

FORMS: dict[str, tuple[str | bytes | dict[str, Any] | list[Any] | None, str]] = {
    "no JSON": (SECRET, "unreadable"),
    "empty": ("", "unreadable"),
    "no UTF-8": (b"\xff\xfe" + SECRET.encode(), "unreadable"),
    "JSON too deep": (DEEP, "unreadable"),
    "a list": ([SECRET], "unreadable"),
    "a text": (json.dumps(SECRET), "unreadable"),
    "null": ("null", "unreadable"),
    "an empty object": ({}, "unreadable"),
    "body no base64": (message(body=f"{SECRET}!"), "unreadable"),
    "body in an unknown encoding": (with_properties(body_encoding="rot13"), "unreadable"),
    "body encoding a number": (with_properties(body_encoding=64), "unreadable"),
    "body a number": (message(body=7), "unreadable"),
    "headers a text": (message(headers=SECRET), "unreadable"),
    "headers a list": (message(headers=[SECRET]), "unreadable"),
    "no properties": (without("properties"), "unreadable"),
    "properties null": (message(properties=None), "unreadable"),
    "properties a list": (message(properties=[SECRET]), "unreadable"),
    "no delivery info": (without("delivery_info", "properties"), "unreadable"),
    "delivery info null": (with_properties(delivery_info=None), "unreadable"),
    "delivery info a text": (with_properties(delivery_info=SECRET), "unreadable"),
    "delivery info without a key": (with_properties(delivery_info={"exchange": "charts"}), "unreadable"),
    "no delivery tag": (without("delivery_tag", "properties"), "unreadable"),
    "delivery tag null": (with_properties(delivery_tag=None), "unreadable"),
    "delivery tag an object": (with_properties(delivery_tag={}), "unreadable"),
    "body null": (message(body=None), "body"),
    "no body": (without("body"), "body"),
    "body a plain text": (with_properties(body_encoding=None) | {"body": SECRET}, "body"),
    "body a text": (message(body=body(SECRET)), "body"),
    "body an object": (message(body=body({"args": [SECRET]})), "body"),
    "body of two parts": (message(body=body([[SECRET], {}])), "body"),
    "body too deep": (message(body=base64.b64encode(b"[" * 30_000).decode()), "body"),
    "body huge": (message(body=body([[SECRET * 200_000], {}, None])), "too_large"),
    "headers null": (message(headers=None), "no_task"),
    "no headers": (without("headers"), "no_task"),
    "no task": (without("task", "headers"), "no_task"),
    "task null": (with_headers(task=None), "no_task"),
    "task a list": (with_headers(task=[DISPATCH]), "no_task"),
    "an unknown task": (with_headers(task="worker.tasks.other"), "unknown_task"),
    "a task of Celery's first protocol": (
        without("task", "headers") | {"body": body({"task": RENDER, "id": "1", "args": [SECRET], "kwargs": {}})},
        "no_task",
    ),
    "no id": (without("id", "headers"), "header_id"),
    "id an object": (with_headers(id={}), "header_id"),
    "time limit a text": (with_headers(timelimit=SECRET), "header_timelimit"),
    "time limits texts": (with_headers(timelimit=["10", "5"]), "header_timelimit"),
    "time limit negative": (with_headers(timelimit=[-1, None]), "header_timelimit"),
    "three time limits": (with_headers(timelimit=[1, 2, 3]), "header_timelimit"),
    "expires garbage": (with_headers(expires="tomorrow"), "header_expires"),
    "expires an object": (with_headers(expires={}), "header_expires"),
    "eta garbage": (with_headers(eta="soon"), "header_eta"),
    "eta in the year 9999": (with_headers(eta="9999-12-31T23:59:59+00:00"), "header_eta"),
    "retries a text": (with_headers(retries="many"), "header_retries"),
    "root id a list": (with_headers(root_id=[]), "header_root_id"),
    "stamps": (with_headers(stamped_headers=5), "header_stamped_headers"),
    "content type of pickle": (message(**{"content-type": "application/x-python-serialize"}), "content_type"),
    "content type missing": (without("content-type"), "content_type"),
    "content type a number": (message(**{"content-type": 5}), "content_type"),
    "content encoding unknown": (message(**{"content-encoding": "morse"}), "content_encoding"),
    "content encoding null": (message(**{"content-encoding": None}), "content_encoding"),
    "compressed by something unknown": (with_headers(compression="lzma2"), "compression"),
    "compressed and not": (with_headers(compression="application/x-gzip"), "compression"),
    "arguments an object": (message(body=body([{}, {}, None])), "arguments"),
    "named arguments a list": (message(body=body([[], [], None])), "arguments"),
    "too many arguments": (message(body=body([["1", "2"], {}, None])), "arguments"),
    "arguments of another name": (message(body=body([[], {"signal_id": "1"}, None])), "arguments"),
    "an argument of another type": (message(body=body([[5], {}, None])), "arguments"),
    "an argument that is no id": (message(body=body([["\0" + SECRET], {}, None])), "arguments"),
    "callbacks": (message(body=body([["1"], {}, {"callbacks": [{"task": DISPATCH}]}])), "callbacks"),
    "a chain of garbage": (message(body=body([["1"], {}, {"chain": 5}])), "callbacks"),
    "what follows a text": (message(body=body([["1"], {}, SECRET])), "body"),
}


UNACKNOWLEDGED = (
    "body null",
    "body a text",
    "time limit a text",
    "an unknown task",
    "no id",
    "too many arguments",
)
"""Forms that kombu stores as unacknowledged before they end the worker, so that the next one receives them again."""


def raw(form: str) -> bytes:
    value = FORMS[form][0]
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()


class RunningWorker:
    """A real worker, the broker's lists and the worker's log."""

    def __init__(self, settings: Settings, program: Running, redis: Redis) -> None:
        self.settings = settings
        self.program = program
        self.redis = redis

    def lines(self, event: str) -> list[dict[str, Any]]:
        entries = (json.loads(line) for line in self.program.log.read_text().splitlines() if line.startswith("{"))
        return [line for line in entries if line["event"] == event]

    def refused(self) -> dict[str, float]:
        """The exposed counts of refused messages by reason."""
        address = f"http://127.0.0.1:{self.settings.worker_metrics_port}/metrics"
        text = urllib.request.urlopen(address, timeout=5).read().decode()
        rows = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith("broker_messages_refused_total{")]
        return {name.split('"')[1]: float(count) for name, count in rows}

    def assert_next_task_runs(self) -> None:
        """A task that is published now is run by the same worker process."""
        task_id = str(uuid.uuid4())
        Queue(producer(self.settings.redis_url)).publish(DISPATCH, EVENTS, task_id=task_id)
        eventually(lambda: any(line["task_id"] == task_id for line in self.lines("task_done")), self.program)

    def is_broker_empty(self) -> bool:
        return not any(map(self.redis.exists, (CHARTS, EVENTS, "unacked", "unacked_index")))


def eventually(condition: Callable[[], bool], program: Running) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert program.process.poll() is None, f"the worker ended:\n{program.log.read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"did not happen in time:\n{program.log.read_text()[-3000:]}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def settings(sqlite_template: Path, valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("malformed")
    (folder / "signalbox.db").write_bytes(sqlite_template.read_bytes())
    return Settings(
        database_url=f"sqlite:///{folder}/signalbox.db",
        redis_url=valkey,
        media_dir=folder / "media",
        worker_concurrency=1,
        worker_metrics_port=free_port(),
        prometheus_multiproc_dir=str(folder / "metrics"),
    )


@contextmanager
def working(settings: Settings, name: str) -> Iterator[RunningWorker]:
    folder = settings.media_dir.parent
    with processes.worker(settings, folder, name) as program, Redis.from_url(settings.redis_url) as redis:
        yield RunningWorker(settings, program, redis)


@pytest.fixture(scope="module")
def bench(settings: Settings) -> Iterator[RunningWorker]:
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with working(settings, "refusing") as started:
        yield started


@pytest.mark.parametrize("form", FORMS)
def test_a_malformed_message_is_refused_logged_and_counted_and_the_next_task_runs(
    bench: RunningWorker, form: str
) -> None:
    reason = FORMS[form][1]
    counted = bench.refused().get(reason, 0)
    lines = len(bench.lines("message_refused"))
    bench.redis.lpush(CHARTS, raw(form))
    eventually(lambda: len(bench.lines("message_refused")) > lines, bench.program)
    bench.assert_next_task_runs()
    (line,) = bench.lines("message_refused")[lines:]
    assert line["reason"] == reason
    assert bench.refused()[reason] == counted + 1
    assert SECRET not in bench.program.log.read_text()
    eventually(bench.is_broker_empty, bench.program)


def test_queued_and_unacknowledged_malformed_messages_are_refused_once_at_start(
    settings: Settings,
) -> None:
    """As after an upgrade from a worker that such messages ended: kombu puts the unacknowledged ones back."""
    # The worker of the other tests reads database 0.
    settings = replace(settings, redis_url=settings.redis_url.removesuffix("/0") + "/1", worker_metrics_port=0)
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushdb()
        redis.lpush(CHARTS, *map(raw, FORMS))
        for form in UNACKNOWLEDGED:
            redis.hset("unacked", form, json.dumps([FORMS[form][0], "charts", "charts"]))
            redis.zadd("unacked_index", {form: 1})
        redis.sadd("_kombu.binding.charts", "charts\x06\x16\x06\x16charts")
    with working(settings, "restarted") as bench:
        expected = len(FORMS) + len(UNACKNOWLEDGED)
        eventually(lambda: len(bench.lines("message_refused")) >= expected and bench.is_broker_empty(), bench.program)
        bench.assert_next_task_runs()
        assert len(bench.lines("message_refused")) == expected
        assert SECRET not in bench.program.log.read_text()
