"""Commands sent at once over connections of their own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import ResponseError

from app.shared.redis_client import Command, Lines, _packed, connect


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


def test_the_answers_come_in_the_order_of_the_commands(redis: Redis) -> None:
    assert Lines(redis).ask(("SET", "a", 1), ("GET", "a"), ("GET", "b")) == [b"OK", b"1", None]


WORDS = st.text() | st.binary() | st.integers()


@given(st.lists(st.builds(lambda words: ("SET", *words), st.lists(WORDS)), min_size=1))
def test_commands_are_sent_as_the_client_would(commands: list[Command]) -> None:
    assert _packed(commands) == b"".join(Connection().pack_commands(commands))


def test_a_refusal_is_raised_and_leaves_no_answer_behind_for_the_next_who_asks(redis: Redis) -> None:
    lines = Lines(redis)
    with pytest.raises(ResponseError):
        lines.ask(("SET", "a", 1), ("LPUSH", "a", 2), ("GET", "a"))
    assert lines.ask(("GET", "a")) == [b"1"]


def test_one_broken_connection_is_reason_enough_to_renew_all(redis: Redis, redis_url: str) -> None:
    lines = Lines(redis)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: lines.ask(("EVAL", "for i = 1, 1000000 do end", 0)), range(4)))
    with connect(redis_url, 1.0) as other:
        other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    with pytest.raises(RedisAway):
        lines.ask(("PING",))
    for _ in range(4):
        assert lines.ask(("PING",)) == [b"PONG"]
