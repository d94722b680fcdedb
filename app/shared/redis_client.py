"""Redis connections that fail fast: a request would rather do without Redis than wait for it."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

Command = tuple[str | bytes | int, ...]


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client with one try for each command.

    A SET NX whose first try succeeded and lost its reply would find its own key at the second try.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )
