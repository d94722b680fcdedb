"""Word of a chart over a real Redis: heard at once by all who wait, and not needed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from app.shared import notifications as module
from app.shared.notifications import (
    SUBSCRIBED_POLL_SECONDS,
    UNSUBSCRIBED_POLL_SECONDS,
    Notifications,
    publish,
)
from app.shared.redis_client import connect
from tests.processes import free_port

CHART = "c" * 32
SOON = 2.0


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


@pytest.fixture
def notifications(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notifications]:
    """One whose listener ends with the test."""
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(module, "_READ_SECONDS", 0.05)
    yield Notifications(redis)
    deadline = time.monotonic() + SOON
    while any(thread.name == "chart-notifications" for thread in threading.enumerate()):
        assert time.monotonic() < deadline, "the listener did not end"
        time.sleep(0.01)


def test_a_word_is_heard_by_all_who_wait_for_its_chart(notifications: Notifications, redis: Redis) -> None:
    first, second, elsewhere = (notifications.subscribe(chart_id) for chart_id in (CHART, CHART, "other"))
    with first as one, second as two, elsewhere as other:
        publish(redis, CHART)
        assert one.wait(SOON)
        assert two.wait(SOON)
        assert not other.is_set()


def test_a_process_that_listens_looks_seldom(notifications: Notifications) -> None:
    assert notifications.poll_interval_seconds == UNSUBSCRIBED_POLL_SECONDS
    with notifications.subscribe(CHART):
        assert notifications.poll_interval_seconds == SUBSCRIBED_POLL_SECONDS


def test_the_listener_ends_when_nobody_waits_and_begins_again(notifications: Notifications, redis: Redis) -> None:
    for _ in range(2):
        with notifications.subscribe(CHART) as heard:
            publish(redis, CHART)
            assert heard.wait(SOON)
        deadline = time.monotonic() + SOON
        while notifications.poll_interval_seconds == SUBSCRIBED_POLL_SECONDS and time.monotonic() < deadline:
            time.sleep(0.01)
        assert notifications.poll_interval_seconds == UNSUBSCRIBED_POLL_SECONDS


def test_without_redis_those_who_wait_look_often_and_nobody_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(f"redis://127.0.0.1:{free_port()}/0", 0.2) as nowhere:
        deaf = Notifications(nowhere)
        publish(nowhere, CHART)
        with deaf.subscribe(CHART) as heard:
            assert not heard.wait(0.05)
            assert deaf.poll_interval_seconds == UNSUBSCRIBED_POLL_SECONDS


def test_a_listener_that_lost_redis_is_replaced(notifications: Notifications, redis: Redis) -> None:
    with notifications.subscribe(CHART):
        redis.client_kill_filter(_type="pubsub")
        deadline = time.monotonic() + SOON
        while notifications.poll_interval_seconds == SUBSCRIBED_POLL_SECONDS and time.monotonic() < deadline:
            time.sleep(0.01)
    with notifications.subscribe(CHART) as heard:
        publish(redis, CHART)
        assert heard.wait(SOON)
