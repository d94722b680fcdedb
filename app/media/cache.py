"""Image cache in front of the store: in the memory of the process, then in Redis. Works without Redis, slower."""

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
_MAX_SHARE: Final = 8
_ENTRY_OVERHEAD: Final = 300
_BATCH_SIZE: Final = 500

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
"""Store an image and delete the oldest ones over the budget, in one step of the server.

Expired and deleted images stay counted until they are the oldest: the budget is never exceeded,
and sometimes not used up.
"""

log = logs.get_logger(__name__)


class MediaCache:
    """Reads images from process memory, Redis or the store, and writes them to the faster tiers. Thread-safe.

    A path always means the same bytes, so other processes need no invalidation. The row of a chart decides whether its
    image may still be shown.
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
        """The image, or None when it is not in the store either. `kind` is the type of its chart, for the metrics.

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
        """Cache an image that was just written to the store."""
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
            raise Unavailable("the image cannot be read now", retry_after=5) from error
        _count(kind, "disk", data)
        if data is not None:
            self._shared.put(path, data, kind)
        return data


class _Local:
    """An LRU of one process, bounded by bytes, with a TTL."""

    def __init__(self, max_bytes: int, ttl_seconds: float, timer: Callable[[], float]) -> None:
        self._images: TTLCache[str, bytes] = TTLCache(max_bytes, ttl_seconds, timer, getsizeof=_size)
        self._largest = max_bytes // _MAX_SHARE
        self._lock = threading.Lock()

    def get(self, path: str) -> bytes | None:
        with self._lock:
            return self._images.get(path)

    def put(self, path: str, data: bytes) -> None:
        # One huge image would evict hundreds that are read more often.
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

    def __init__(self, redis: Redis, ttl_seconds: int, max_bytes: int, timer: Callable[[], float]) -> None:
        self._redis = redis
        self._ttl_seconds = ttl_seconds
        self._max_bytes = max_bytes
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
        if len(data) > self._max_bytes // _MAX_SHARE:
            return
        if not self._write_breaker.allows_call() or not self._breaker.allows_call():
            return
        try:
            self._keep(keys=[_key(path), _SIZES, _TOTAL], args=[data, self._ttl_seconds, self._max_bytes])
        except RedisError as error:
            # A server that answers refuses writes alone: it is full or read-only.
            refused = isinstance(error, ResponseError)
            (self._write_breaker if refused else self._breaker).record_failure(error)
            CACHE_REQUESTS.labels(kind, "redis", "error").inc()
        else:
            self._write_breaker.record_success()
            self._breaker.record_success()

    def forget(self, paths: Sequence[str]) -> None:
        """Delete the keys. Keys that could not be deleted expire with their TTL."""
        for start in range(0, len(paths), _BATCH_SIZE):
            if not self._breaker.allows_call():
                return
            try:
                self._redis.unlink(*map(_key, paths[start : start + _BATCH_SIZE]))
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
