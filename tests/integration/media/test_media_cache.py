"""The cache over a real disk and a real Redis: it reads the nearest tier first, and needs no Redis."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis import Redis
from structlog.testing import capture_logs

from app.media.cache import PAUSE_SECONDS, MediaCache
from app.media.store import MediaStore
from app.shared.errors import Unavailable
from app.shared.redis_client import connect

PATH = "charts/2026/11/24/abc.png"
KEY = f"media:{PATH}"
KIND = "candlestick"


class Timer:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media", max_bytes=1_000_000)


MakeCache = Callable[..., MediaCache]


@pytest.fixture
def make_cache(store: MediaStore, redis: Redis, timer: Timer) -> MakeCache:
    """Makes caches as separate processes have them: each with its own memory, over the same Redis and disk."""

    def make(redis: Redis = redis, local_bytes: int = 1_000_000, shared_bytes: int = 1_000_000) -> MediaCache:
        return MediaCache(
            store,
            redis,
            ttl_seconds=60,
            shared_bytes=shared_bytes,
            local_bytes=local_bytes,
            local_ttl_seconds=10,
            timer=timer,
        )

    return make


@pytest.fixture
def dead_redis() -> Iterator[Redis]:
    """A Redis whose port is closed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with connect(f"redis://127.0.0.1:{port}/0", 0.25) as client:
        yield client


@pytest.fixture
def frozen_redis() -> Iterator[Redis]:
    """A Redis that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with connect(f"redis://127.0.0.1:{port}/0", 0.1) as client:
            yield client


def count(tier: str, outcome: str) -> float:
    labels = {"type": KIND, "tier": tier, "outcome": outcome}
    return REGISTRY.get_sample_value("media_cache_requests_total", labels) or 0.0


def hits() -> float:
    return REGISTRY.get_sample_value("media_cache_hits_total", {"type": KIND}) or 0.0


def test_an_image_in_no_tier_is_none(make_cache: MakeCache, redis: Redis) -> None:
    before = count("local", "miss"), count("redis", "miss"), count("disk", "miss"), hits()
    assert make_cache().get(PATH, KIND) is None
    assert (count("local", "miss"), count("redis", "miss"), count("disk", "miss"), hits()) == (
        before[0] + 1,
        before[1] + 1,
        before[2] + 1,
        before[3],
    )
    assert redis.keys("media:*") == []


def test_an_image_on_disk_comes_from_disk_then_from_redis_then_from_the_process(
    make_cache: MakeCache, store: MediaStore
) -> None:
    store.write(PATH, b"image")
    one, other = make_cache(), make_cache()
    disk, shared, local, all_hits = count("disk", "hit"), count("redis", "hit"), count("local", "hit"), hits()
    assert [one.get(PATH, KIND), other.get(PATH, KIND), other.get(PATH, KIND)] == [b"image"] * 3
    assert (count("disk", "hit"), count("redis", "hit"), count("local", "hit")) == (disk + 1, shared + 1, local + 1)
    assert hits() == all_hits + 2


def test_an_image_in_redis_is_not_read_from_disk(make_cache: MakeCache) -> None:
    make_cache().put(PATH, b"image", KIND)
    assert make_cache().get(PATH, KIND) == b"image"


def test_an_image_in_the_process_is_not_read_from_redis(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache()
    cache.put(PATH, b"image", KIND)
    redis.flushall()
    assert cache.get(PATH, KIND) == b"image"


def test_every_key_has_the_ttl(make_cache: MakeCache, redis: Redis, store: MediaStore) -> None:
    make_cache().put(PATH, b"\x89PNG\0\xff", KIND)
    assert redis.get(KEY) == b"\x89PNG\0\xff"
    assert 58 <= redis.ttl(KEY) <= 60
    redis.flushall()
    store.write(PATH, b"image")
    make_cache().get(PATH, KIND)
    assert 58 <= redis.ttl(KEY) <= 60


def test_an_image_in_the_process_expires_after_the_local_ttl(make_cache: MakeCache, redis: Redis, timer: Timer) -> None:
    cache = make_cache()
    cache.put(PATH, b"image", KIND)
    redis.flushall()
    timer.now += 9.9
    assert cache.get(PATH, KIND) == b"image"
    timer.now += 0.2
    assert cache.get(PATH, KIND) is None


def test_forgotten_images_are_gone_from_redis_and_the_process(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache()
    paths = [f"charts/2026/11/24/{number}.png" for number in range(1_200)]
    for path in [*paths, PATH]:
        cache.put(path, b"image", KIND)
    cache.forget([*paths, "charts/2026/11/24/never.png"])
    assert redis.keys("media:*") == [KEY.encode()]
    assert cache.get(paths[0], KIND) is None
    assert cache.get(PATH, KIND) == b"image"
    cache.forget([])


def test_the_process_keeps_the_latest_used_within_its_bytes(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(local_bytes=20_000)
    paths = [f"charts/2026/11/24/{number}.png" for number in range(12)]
    for path in paths:
        cache.put(path, b"x" * 1_500, KIND)
        cache.get(paths[0], KIND)
    redis.flushall()
    kept = [path for path in paths if cache.get(path, KIND)]
    assert kept == [paths[0], *paths[-10:]]


def test_an_image_that_would_push_out_many_is_not_kept_in_the_process(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(local_bytes=80_000)
    cache.put(PATH, b"x" * 11_000, KIND)
    assert redis.exists(KEY)
    redis.flushall()
    assert cache.get(PATH, KIND) is None


def test_a_process_cache_of_no_bytes_keeps_nothing(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(local_bytes=0)
    cache.put(PATH, b"", KIND)
    redis.flushall()
    assert cache.get(PATH, KIND) is None


def test_without_redis_images_come_from_disk_and_from_the_process(
    make_cache: MakeCache, dead_redis: Redis, store: MediaStore
) -> None:
    cache = make_cache(dead_redis)
    store.write(PATH, b"image")
    errors, local = count("redis", "error"), count("local", "hit")
    cache.put("charts/2026/11/24/other.png", b"other", KIND)
    assert [cache.get(PATH, KIND), cache.get(PATH, KIND)] == [b"image", b"image"]
    cache.forget([PATH])
    assert count("redis", "error") == errors + 1
    assert count("local", "hit") == local + 1


def test_a_burst_of_redis_errors_is_logged_once(make_cache: MakeCache, dead_redis: Redis, timer: Timer) -> None:
    cache = make_cache(dead_redis)
    with capture_logs() as logged:
        for _ in range(5):
            cache.get(PATH, KIND)
            timer.now += PAUSE_SECONDS
    assert [line["event"] for line in logged] == ["media_cache_unavailable"]


def test_a_frozen_redis_costs_its_timeout_once_and_is_tried_again_later(
    make_cache: MakeCache, frozen_redis: Redis, store: MediaStore, timer: Timer
) -> None:
    store.write(PATH, b"image")
    cache = make_cache(frozen_redis, local_bytes=0)
    errors = count("redis", "error")
    started = time.monotonic()
    assert [cache.get(PATH, KIND) for _ in range(20)] == [b"image"] * 20
    assert time.monotonic() - started < 1.0
    assert count("redis", "error") == errors + 1
    timer.now += PAUSE_SECONDS
    cache.get(PATH, KIND)
    assert count("redis", "error") == errors + 2


def test_a_full_redis_refuses_new_images_and_still_gives_the_old(
    make_cache: MakeCache, redis: Redis, store: MediaStore
) -> None:
    make_cache().put(PATH, b"image", KIND)
    redis.config_set("maxmemory", "1")
    try:
        other = "charts/2026/11/24/other.png"
        store.write(other, b"other")
        cache = make_cache()
        assert cache.get(other, KIND) == b"other"
        assert cache.get(PATH, KIND) == b"image"
    finally:
        redis.config_set("maxmemory", "0")
    assert redis.keys("media:*") == [KEY.encode()]


def test_writes_to_a_full_redis_are_tried_again_after_a_pause(
    make_cache: MakeCache, redis: Redis, timer: Timer
) -> None:
    cache = make_cache()
    redis.config_set("maxmemory", "1")
    with capture_logs() as logged:
        try:
            cache.put(PATH, b"image", KIND)
        finally:
            redis.config_set("maxmemory", "0")
        cache.put(PATH, b"image", KIND)
        assert not redis.exists(KEY)
        timer.now += PAUSE_SECONDS
        cache.put(PATH, b"image", KIND)
    assert redis.exists(KEY)
    assert [line["event"] for line in logged] == ["media_cache_writes_unavailable", "media_cache_writes_available"]


def kept(redis: Redis) -> list[str]:
    return sorted(key.decode().removeprefix("media:") for key in redis.scan_iter("media:*"))


def test_images_in_redis_stay_within_their_bytes_and_the_oldest_go_first(make_cache: MakeCache, redis: Redis) -> None:
    paths = [f"charts/2026/11/24/{number}.png" for number in range(30)]
    for path in paths:
        make_cache(shared_bytes=10_000).put(path, b"x" * 1_000, KIND)
    assert kept(redis) == sorted(paths[-10:])


def test_an_image_that_is_kept_again_is_counted_once(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(shared_bytes=10_000)
    for _ in range(20):
        cache.put(PATH, b"x" * 1_000, KIND)
    other = "charts/2026/11/24/other.png"
    cache.put(other, b"x" * 1_000, KIND)
    assert kept(redis) == sorted([PATH, other])
    assert redis.get("media-cache:bytes") == b"2000"


def test_storing_an_image_again_renews_its_ttl(make_cache: MakeCache, redis: Redis) -> None:
    make_cache().put(PATH, b"image", KIND)
    redis.expire(KEY, 5)
    make_cache().put(PATH, b"image", KIND)
    assert redis.ttl(KEY) > 50


def test_forgotten_images_free_their_bytes_when_the_oldest_are_evicted(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(shared_bytes=10_000)
    paths = [f"charts/2026/11/24/{number}.png" for number in range(30)]
    for path in paths[:10]:
        cache.put(path, b"x" * 1_000, KIND)
    cache.forget(paths[:10])
    for path in paths[10:]:
        cache.put(path, b"x" * 1_000, KIND)
    assert kept(redis) == sorted(paths[-10:])


def test_a_redis_that_was_emptied_is_filled_again_within_its_bytes(make_cache: MakeCache, redis: Redis) -> None:
    cache = make_cache(shared_bytes=10_000)
    paths = [f"charts/2026/11/24/{number}.png" for number in range(30)]
    for path in paths[:15]:
        cache.put(path, b"x" * 1_000, KIND)
    redis.flushall()
    redis.script_flush()
    for path in paths[15:]:
        cache.put(path, b"x" * 1_000, KIND)
    assert kept(redis) == sorted(paths[-10:])


def test_every_key_in_redis_expires(make_cache: MakeCache, redis: Redis) -> None:
    make_cache().put(PATH, b"image", KIND)
    keys = redis.keys()
    assert len(keys) == 3
    assert all(0 < redis.ttl(key) <= 120 for key in keys)


def test_without_bytes_nothing_is_kept_in_redis(make_cache: MakeCache, redis: Redis, store: MediaStore) -> None:
    store.write(PATH, b"image")
    cache = make_cache(shared_bytes=0)
    assert cache.get(PATH, KIND) == b"image"
    assert redis.keys() == []


def test_a_store_that_fails_raises_unavailable(make_cache: MakeCache, store: MediaStore) -> None:
    (store.folder / PATH).parent.mkdir(parents=True)
    (store.folder / PATH).symlink_to(store.folder / PATH)  # a loop: the disk's own error
    with pytest.raises(Unavailable):
        make_cache().get(PATH, KIND)


def test_many_threads_may_use_one_cache(make_cache: MakeCache, store: MediaStore) -> None:
    cache = make_cache(local_bytes=10_000)
    paths = [f"charts/2026/11/24/{number}.png" for number in range(40)]
    for path in paths:
        store.write(path, path.encode())
    wrong: list[str] = []

    def work() -> None:
        for _ in range(5):
            wrong.extend(path for path in paths if cache.get(path, KIND) != path.encode())
            cache.forget(paths[::7])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
