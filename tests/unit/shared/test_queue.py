"""Wake-ups: an unreachable broker costs one timeout at most, and is not tried again during a pause."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from app.shared import queue
from app.shared.queue import CHARTS, EVENTS, Queue, producer, wake_key, wake_up_command


@pytest.fixture
def frozen_broker() -> Iterator[Any]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}/0"


@pytest.fixture
def dead_broker() -> Iterator[Any]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{closed.getsockname()[1]}/0"


def test_a_published_task_is_in_its_queue(redis_url: str) -> None:
    celery = producer(redis_url)
    assert Queue(celery).publish("worker.tasks.render", CHARTS, "some-id", task_id="some-id")
    with Redis.from_url(redis_url) as redis:
        assert redis.llen(CHARTS) == 1
    celery.close()


def test_a_dead_broker_raises_no_error_and_costs_no_wait(dead_broker: str) -> None:
    began = time.monotonic()
    assert not Queue(producer(dead_broker)).publish("a", EVENTS)
    assert time.monotonic() - began < 2


def test_a_frozen_broker_costs_one_timeout_and_then_no_time(frozen_broker: str) -> None:
    queue_client = Queue(producer(frozen_broker))
    began = time.monotonic()
    assert not queue_client.publish("a", EVENTS)
    first = time.monotonic()
    assert first - began < 3
    for _ in range(100):
        assert not queue_client.publish("a", EVENTS)
    assert time.monotonic() - first < 0.1


def test_after_the_pause_the_broker_is_tried_again(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "BREAK_SECONDS", 0.2)
    celery = producer(redis_url)
    queue_client = Queue(celery)
    with monkeypatch.context() as broken:
        broken.setattr(celery, "send_task", _refuse)
        assert not queue_client.publish("a", EVENTS)
    assert not queue_client.publish("a", EVENTS)
    time.sleep(0.25)
    assert queue_client.publish("a", EVENTS)
    celery.close()


def _refuse(*_args: object, **_kwargs: object) -> None:
    raise ConnectionRefusedError


def test_of_many_wake_ups_within_a_second_one_is_published(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        replies = [redis.execute_command(*wake_up_command(EVENTS)) for _ in range(5)]
        assert replies == [True, None, None, None, None]
        assert 0 < redis.pttl(wake_key(EVENTS)) <= queue.WAKE_MILLISECONDS
