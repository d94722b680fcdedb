"""Redis connections that fail fast: a request would rather do without Redis than wait for it."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry


def connect(url: str, timeout_seconds: float) -> Redis:
    """A client with one try for each command.

    A retried SET NX whose first try did arrive would take its own key for somebody else's.
    """
    return Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=10,
    )
