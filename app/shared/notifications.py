"""Notifications that a chart is done, from worker to web process by Redis publish and subscribe.

They save polling. The row in the database decides: where a notification is lost, the waiting request polls the row.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from redis import Redis, RedisError

from app.shared.circuit_breaker import CircuitBreaker

CHANNEL: Final = "charts:arrived"
SUBSCRIBED_POLL_SECONDS: Final = 0.5
"""How often a waiting request reads the row although no notification came."""
UNSUBSCRIBED_POLL_SECONDS: Final = 0.05
LINGER_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 2.0
_READ_SECONDS: Final = 1.0


def publish(redis: Redis, chart_id: str) -> None:
    """Notify all requests that wait for the chart. A failure of Redis is ignored: they poll."""
    with suppress(RedisError):
        redis.publish(CHANNEL, chart_id)


class Notifications:
    """The subscription of one process, for all its threads. Its connection is closed 30 seconds after the last wait."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._waiting: dict[str, list[threading.Event]] = {}
        self._listener: threading.Thread | None = None
        self._subscribed = threading.Event()
        self._last_wait_at = 0.0
        self._breaker = CircuitBreaker("chart_notifications", PAUSE_SECONDS)

    @contextmanager
    def subscribe(self, chart_id: str) -> Iterator[threading.Event]:
        """An event that is set at each notification of this chart from now on. Read the row after subscribing."""
        notified = threading.Event()
        with self._lock:
            self._waiting.setdefault(chart_id, []).append(notified)
            self._last_wait_at = time.monotonic()
            self._ensure_listener()
        self._subscribed.wait(UNSUBSCRIBED_POLL_SECONDS)
        try:
            yield notified
        finally:
            with self._lock:
                self._waiting[chart_id].remove(notified)
                if not self._waiting[chart_id]:
                    del self._waiting[chart_id]

    @property
    def poll_interval_seconds(self) -> float:
        """How long to wait for the event before the row is read again."""
        return SUBSCRIBED_POLL_SECONDS if self._subscribed.is_set() else UNSUBSCRIBED_POLL_SECONDS

    def _ensure_listener(self) -> None:
        """Start the listener thread where none runs, unless Redis failed a moment ago. Needs the lock."""
        if self._listener is None and self._breaker.allows_call():
            self._listener = threading.Thread(target=self._run_listener, name="chart-notifications", daemon=True)
            self._listener.start()

    def _run_listener(self) -> None:
        try:
            with self._redis.pubsub() as channel:  # type: ignore[no-untyped-call]
                channel.subscribe(CHANNEL)
                while self._is_needed():
                    self._deliver(channel.get_message(timeout=_READ_SECONDS))
        except (RedisError, OSError, ValueError, TypeError) as error:
            # ValueError, or TypeError of hiredis: the connection was closed during the read, as a process ends.
            self._breaker.record_failure(error)
            self._stop()

    def _deliver(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            self._subscribed.set()
            self._breaker.record_success()
        elif message["type"] == "message":
            with self._lock:
                for notified in self._waiting.get(message["data"].decode(), ()):
                    notified.set()

    def _is_needed(self) -> bool:
        with self._lock:
            if self._waiting or time.monotonic() - self._last_wait_at < LINGER_SECONDS:
                return True
            self._forget_listener()
            return False

    def _stop(self) -> None:
        with self._lock:
            self._forget_listener()

    def _forget_listener(self) -> None:
        self._subscribed.clear()
        self._listener = None
