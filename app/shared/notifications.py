"""Word from worker to web process that a chart came, over Redis: it saves asking the database again and again.

The row stays the judge. A word that is lost, or a Redis that is gone, only makes those who wait look on their own.
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
"""How often somebody who waits looks at the row although nothing was heard."""
UNSUBSCRIBED_POLL_SECONDS: Final = 0.05
LINGER_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 2.0
_READ_SECONDS: Final = 1.0


def publish(redis: Redis, chart_id: str) -> None:
    """Tell whoever waits for the chart to look at its row."""
    with suppress(RedisError):
        redis.publish(CHANNEL, chart_id)


class Notifications:
    """Hears for all threads of a process, over one connection that is held while anybody waits and a while longer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._waiting: dict[str, list[threading.Event]] = {}
        self._listener: threading.Thread | None = None
        self._subscribed = threading.Event()
        self._wanted_at = 0.0
        self._breaker = CircuitBreaker("chart_notifications", PAUSE_SECONDS)

    @contextmanager
    def subscribe(self, chart_id: str) -> Iterator[threading.Event]:
        """An event that is set at each word of this chart from now on. What came before must be read from the row."""
        heard = threading.Event()
        with self._lock:
            self._waiting.setdefault(chart_id, []).append(heard)
            self._wanted_at = time.monotonic()
            self._listen()
        self._subscribed.wait(UNSUBSCRIBED_POLL_SECONDS)
        try:
            yield heard
        finally:
            with self._lock:
                self._waiting[chart_id].remove(heard)
                if not self._waiting[chart_id]:
                    del self._waiting[chart_id]

    @property
    def poll_interval_seconds(self) -> float:
        """How long to wait for the event before looking anyway."""
        return SUBSCRIBED_POLL_SECONDS if self._subscribed.is_set() else UNSUBSCRIBED_POLL_SECONDS

    def _listen(self) -> None:
        """Under the lock: have a thread that listens, unless Redis failed a moment ago."""
        if self._listener is None and self._breaker.allows_call():
            self._listener = threading.Thread(target=self._hear, name="chart-notifications", daemon=True)
            self._listener.start()

    def _hear(self) -> None:
        try:
            with self._redis.pubsub() as channel:  # type: ignore[no-untyped-call]
                channel.subscribe(CHANNEL)
                while self._still_wanted():
                    self._pass_on(channel.get_message(timeout=_READ_SECONDS))
        except (RedisError, OSError, ValueError, TypeError) as error:
            # ValueError, or TypeError of hiredis: the connection was closed while it was read, as at a process's end.
            self._breaker.record_failure(error)
            self._stop()

    def _pass_on(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            self._subscribed.set()
            self._breaker.record_success()
        elif message["type"] == "message":
            with self._lock:
                for heard in self._waiting.get(message["data"].decode(), ()):
                    heard.set()

    def _still_wanted(self) -> bool:
        with self._lock:
            if self._waiting or time.monotonic() - self._wanted_at < LINGER_SECONDS:
                return True
            self._forget_listener()
            return False

    def _stop(self) -> None:
        with self._lock:
            self._forget_listener()

    def _forget_listener(self) -> None:
        self._subscribed.clear()
        self._listener = None
