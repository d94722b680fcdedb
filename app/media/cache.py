"""Images in front of the disk: first in the process, then in Redis. Without Redis it is slower and gives the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final, cast

from cachetools import TTLCache
from redis import Redis, RedisError, ResponseError

from app.media.metrics import CACHE_HITS, CACHE_REQUESTS
from app.media.stores import Store
from app.shared import logs
from app.shared.circuit_breaker import CircuitBreaker
from app.shared.errors import Unavailable

PAUSE_SECONDS: Final = 2.0
_LARGEST_SHARE: Final = 8
_ENTRY_OVERHEAD: Final = 300
_KEYS_AT_ONCE: Final = 500

_SIZES: Final = "media-cache:sizes"
_TOTAL: Final = "media-cache:bytes"
_KEEP: Final = """
local size = #ARGV[1]
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
    return redis.call('EXPIRE', KEYS[1], ARGV[2])
end
redis.call('LPUSH', KEYS[2], size .. ' ' .. KEYS[1])
local total = redis.call('INCRBY', KEYS[3], size)
while total > tonumber(ARGV[3]) do
    local oldest = redis.call('RPOP', KEYS[2])
    if not oldest then
        redis.call('SET', KEYS[3], 0)
        break
    end
    local gone, key = oldest:match('^(%d+) (.*)$')
    redis.call('UNLINK', key)
    total = redis.call('DECRBY', KEYS[3], gone)
end
redis.call('EXPIRE', KEYS[2], 2 * ARGV[2])
redis.call('EXPIRE', KEYS[3], 2 * ARGV[2])
"""
"""Keeps an image and drops the oldest ones that are over the budget, in one step of the server.

What expired or was dropped by name stays counted until its turn comes: the budget is never exceeded, at times not used.
List, count and images are lost together and start anew together.
"""

log = logs.get_logger(__name__)


class MediaCache:
    """Gives images from the nearest of process, Redis and disk, and keeps them in the nearer ones. Thread-safe.

    The same path always means the same bytes, so nothing has to be told to the other processes; whether an image may
    still be shown is for its row to say.
    """

    def __init__(
        self,
        store: Store,
        redis: Redis,
        *,
        ttl_seconds: int,
        shared_bytes: int,
        local_bytes: int,
        local_ttl_seconds: float,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._shared = _Shared(redis, ttl_seconds, shared_bytes, timer)
        self._local = _Local(local_bytes, local_ttl_seconds, timer)

    def get(self, path: str, kind: str) -> bytes | None:
        """The image, or None when it is not even on disk. `kind` is the type of its chart, for the metrics.

        Raises Unavailable when the disk fails.
        """
        data = self._local.get(path)
        _count(kind, "local", data)
        if data is not None:
            return data
        data = self._shared.get(path, kind)
        if data is None:
            data = self._from_disk(path, kind)
        if data is not None:
            self._local.put(path, data)
        return data

    def put(self, path: str, data: bytes, kind: str) -> None:
        """Keep an image that was just written to disk where it is found fastest."""
        self._shared.put(path, data, kind)
        self._local.put(path, data)

    def forget(self, paths: Sequence[str]) -> None:
        """Drop images from Redis and from this process. Other processes keep theirs for their local TTL at most."""
        self._local.forget(paths)
        self._shared.forget(paths)

    def _from_disk(self, path: str, kind: str) -> bytes | None:
        try:
            data = self._store.read(path)
        except OSError as error:
            CACHE_REQUESTS.labels(kind, "disk", "error").inc()
            log.exception("media_unreadable", path=path)
            raise Unavailable("the image cannot be read just now", retry_after=5) from error
        _count(kind, "disk", data)
        if data is not None:
            self._shared.put(path, data, kind)
        return data


class _Local:
    """An LRU of one process, bounded by bytes, with a TTL."""

    def __init__(self, most_bytes: int, ttl_seconds: float, timer: Callable[[], float]) -> None:
        self._images: TTLCache[str, bytes] = TTLCache(most_bytes, ttl_seconds, timer, getsizeof=_size)
        self._largest = most_bytes // _LARGEST_SHARE
        self._lock = threading.Lock()

    def get(self, path: str) -> bytes | None:
        with self._lock:
            return self._images.get(path)

    def put(self, path: str, data: bytes) -> None:
        # One huge image would push out hundreds that are wanted more often.
        if _size(data) <= self._largest:
            with self._lock:
                self._images[path] = data

    def forget(self, paths: Sequence[str]) -> None:
        with self._lock:
            for path in paths:
                self._images.pop(path, None)


class _Shared:
    """The images all processes share in Redis, each with a TTL, all together within a budget of bytes.

    After an error Redis is left alone for two seconds; after a refused write, writes alone are left out.
    """

    def __init__(self, redis: Redis, ttl_seconds: int, most_bytes: int, timer: Callable[[], float]) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds
        self._most_bytes = most_bytes
        self._keep = redis.register_script(_KEEP)
        self._breaker = CircuitBreaker("media_cache", PAUSE_SECONDS, timer)
        self._write_breaker = CircuitBreaker("media_cache_writes", PAUSE_SECONDS, timer)

    def get(self, path: str, kind: str) -> bytes | None:
        if not self._breaker.allows_call():
            return None
        try:
            data = cast("bytes | None", self._redis.get(_key(path)))
        except RedisError as error:
            self._breaker.record_failure(error)
            CACHE_REQUESTS.labels(kind, "redis", "error").inc()
            return None
        self._breaker.record_success()
        _count(kind, "redis", data)
        return data

    def put(self, path: str, data: bytes, kind: str) -> None:
        if len(data) > self._most_bytes // _LARGEST_SHARE:
            return
        if not self._write_breaker.allows_call() or not self._breaker.allows_call():
            return
        try:
            self._keep(keys=[_key(path), _SIZES, _TOTAL], args=[data, self._ttl_seconds, self._most_bytes])
        except RedisError as error:
            # A server that answers refuses writes alone: it is full or read-only.
            refused = isinstance(error, ResponseError)
            (self._write_breaker if refused else self._breaker).record_failure(error)
            CACHE_REQUESTS.labels(kind, "redis", "error").inc()
        else:
            self._write_breaker.record_success()
            self._breaker.record_success()

    def forget(self, paths: Sequence[str]) -> None:
        """Delete the keys. A key that Redis was not asked to delete ends with its TTL."""
        for start in range(0, len(paths), _KEYS_AT_ONCE):
            if not self._breaker.allows_call():
                return
            try:
                self._redis.unlink(*map(_key, paths[start : start + _KEYS_AT_ONCE]))
            except RedisError as error:
                self._breaker.record_failure(error)
            else:
                self._breaker.record_success()


def _key(path: str) -> str:
    return f"media:{path}"


def _size(data: bytes) -> int:
    return len(data) + _ENTRY_OVERHEAD


def _count(kind: str, tier: str, data: bytes | None) -> None:
    CACHE_REQUESTS.labels(kind, tier, "miss" if data is None else "hit").inc()
    if data is not None and tier != "disk":
        CACHE_HITS.labels(kind).inc()
