"""Rate limits of producers: one budget in Redis for all web processes, or one in each process while Redis is away.

The generic cell rate algorithm (ITU-T I.371): a producer's whole state is the moment at which its budget is full again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from redis import Redis
from redis.exceptions import RedisError

from app.shared.circuit_breaker import CircuitBreaker

PAUSE_SECONDS: Final = 2.0
MAX_PRODUCERS: Final = 10_000

_MICROSECONDS: Final = 1_000_000
_SPEND: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full, cost, needed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or now) - now, 0)
if used + needed > full then return {used + needed - full, used} end
used = used + cost
redis.call('SET', KEYS[1], string.format('%.0f', now + used), 'PX', math.ceil(used / 1000))
return {0, used}
"""
"""`_spend` below, in Redis: a producer's state is read and written in one step there, by the clock of the server."""


@dataclass(frozen=True, slots=True)
class Rate:
    """`count` signals in `seconds`: all at once if none came before, and evenly after that."""

    count: int
    seconds: int

    @property
    def full(self) -> int:
        """The whole budget as time, in microseconds: how long it takes to fill again."""
        return self.seconds * _MICROSECONDS

    def cost(self, count: int) -> int:
        """The cost of `count` signals in microseconds, rounded down so that the whole budget holds all `self.count`."""
        return max(self.full * count // self.count, 1)


@dataclass(frozen=True, slots=True)
class Budget:
    """The budget of a producer after a request. `wait_seconds` is above 0 for a refusal, which is not charged."""

    rate: Rate
    remaining: int
    reset_seconds: float
    wait_seconds: float = 0.0


@dataclass
class RateLimiter:
    """Thread-safe. After a failure Redis is left alone for two seconds."""

    redis: Redis
    rate: Rate
    monotonic: Callable[[], float] = time.monotonic
    _full_at: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._breaker = CircuitBreaker("rate_limits", PAUSE_SECONDS, self.monotonic)

    def spend(self, producer: str, count: int) -> Budget:
        """Take `count` signals out of the budget, unless it holds fewer. Never raises.

        More than the whole budget is taken only from a full one, which then takes that much longer to fill again:
        otherwise a batch above the limit could never come.
        """
        cost, needed = self.rate.cost(count), self.rate.cost(min(count, self.rate.count))
        wait, used = self._in_redis(producer, cost, needed) or self._in_memory(producer, cost, needed)
        remaining = max(self.rate.full - used, 0) * self.rate.count // self.rate.full
        return Budget(self.rate, remaining, used / _MICROSECONDS, wait / _MICROSECONDS)

    def _in_redis(self, producer: str, cost: int, needed: int) -> tuple[int, int] | None:
        if not self._breaker.allows_call():
            return None
        try:
            reply = cast("Any", self.redis.eval(_SPEND, 1, f"rate:{producer}", self.rate.full, cost, needed))
        except RedisError as error:
            self._breaker.record_failure(error)
            return None
        self._breaker.record_success()
        wait, used = reply
        return int(wait), int(used)

    def _in_memory(self, producer: str, cost: int, needed: int) -> tuple[int, int]:
        with self._lock:
            now = int(self.monotonic() * _MICROSECONDS)
            wait, used = _spend(max(self._full_at.get(producer, 0) - now, 0), self.rate.full, cost, needed)
            self._full_at[producer] = now + used
            if len(self._full_at) > MAX_PRODUCERS:
                self._forget(now)
        return wait, used

    def _forget(self, now: int) -> None:
        """Drop producers with a full budget, and of the others those that are full soonest, beyond a limit."""
        kept = sorted((item for item in self._full_at.items() if item[1] > now), key=lambda item: item[1])
        self._full_at = dict(kept[-MAX_PRODUCERS // 2 :])


def _spend(used: int, full: int, cost: int, needed: int) -> tuple[int, int]:
    """Microseconds to wait, and microseconds of the budget used after that."""
    if used + needed > full:
        return used + needed - full, used
    return 0, used + cost
