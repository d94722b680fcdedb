"""Commands over connections that stay checked out of the client's pool."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisUnreachable
from redis.exceptions import ResponseError

from app.shared.redis_client import Connections, connect


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


def test_the_replies_come_in_the_order_of_the_commands(redis: Redis) -> None:
    assert Connections(redis).pipeline(("SET", "a", 1), ("GET", "a"), ("GET", "b")) == [b"OK", b"1", None]


def test_a_refusal_is_raised_and_leaves_no_reply_for_the_next_commands(redis: Redis) -> None:
    connections = Connections(redis)
    with pytest.raises(ResponseError):
        connections.pipeline(("SET", "a", 1), ("LPUSH", "a", 2), ("GET", "a"))
    assert connections.pipeline(("GET", "a")) == [b"1"]


def test_one_broken_connection_renews_all(redis: Redis, redis_url: str) -> None:
    connections = Connections(redis)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: connections.pipeline(("EVAL", "for i = 1, 1000000 do end", 0)), range(4)))
    with connect(redis_url, 1.0) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(RedisUnreachable):
        connections.pipeline(("PING",))
    for _ in range(4):
        assert connections.pipeline(("PING",)) == [b"PONG"]


def test_threads_never_read_the_replies_of_others(redis: Redis) -> None:
    connections = Connections(redis)
    with ThreadPoolExecutor(8) as pool:
        replies = pool.map(lambda number: connections.pipeline(("ECHO", number), ("ECHO", -number)), range(1, 200))
        assert list(replies) == [[str(number).encode(), str(-number).encode()] for number in range(1, 200)]
