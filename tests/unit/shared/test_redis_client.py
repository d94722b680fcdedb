"""The Redis client: one try for each command, short waits, and connections that stay usable after errors."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis import TimeoutError as RedisTimeout
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError
from redis.utils import HIREDIS_AVAILABLE

from app.shared.redis_client import connect
from tests.processes import free_port


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


def test_a_command_whose_reply_came_too_late_is_not_sent_again(redis: Redis, redis_url: str) -> None:
    redis.client_pause(1_500, all=False)
    try:
        with connect(redis_url, 1.0) as client, pytest.raises(RedisTimeout):
            # A second try would be answered when the pause is over.
            client.set("key", "token", nx=True, get=True)
    finally:
        redis.client_unpause()


def test_a_server_that_does_not_answer_costs_one_timeout() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as frozen,
        connect(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0", 0.2) as client,
    ):
        began = time.monotonic()
        with pytest.raises(RedisTimeout):
            client.ping()
        assert time.monotonic() - began < 1.0


def test_a_closed_port_is_an_error_at_once() -> None:
    with connect(f"redis://127.0.0.1:{free_port()}/0", 5.0) as client:
        began = time.monotonic()
        with pytest.raises(RedisAway):
            client.ping()
        assert time.monotonic() - began < 1.0


def test_a_refused_command_leaves_no_reply_behind_for_the_next_caller(redis: Redis) -> None:
    pipeline = redis.pipeline(transaction=False)
    pipeline.set("a", 1)
    pipeline.lpush("a", 2)
    pipeline.get("a")
    with pytest.raises(ResponseError):
        pipeline.execute()
    assert redis.get("a") == b"1"


def test_connections_that_the_server_closed_meanwhile_are_renewed(redis: Redis, redis_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: redis.eval("for i = 1, 1000000 do end", 0), range(4)))
    with connect(redis_url, 1.0) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    for _ in range(4):
        assert redis.ping()


def test_the_fast_parser_is_installed() -> None:
    assert HIREDIS_AVAILABLE
