"""Deleting files by day, by name, as stale temporaries and for the quota, on a real disk and a real Redis."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from redis import Redis

from app.media import lifecycle
from app.media.cache import MediaCache
from app.media.store import TEMPORARY_PREFIX, DayFolder, MediaStore, Report, StoredFile
from app.shared.redis_client import connect

TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media", max_bytes=1_000_000)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


@pytest.fixture
def cache(store: MediaStore, redis: Redis) -> MediaCache:
    return MediaCache(store, redis, ttl_seconds=60, shared_bytes=1_000_000, local_bytes=1_000_000, local_ttl_seconds=60)


def a_file(store: MediaStore, days_ago: int, name: str = "a", size: int = 10, modified: float | None = None) -> str:
    path = f"charts/{TODAY - timedelta(days=days_ago):%Y/%m/%d}/{name}.png"
    store.write(path, b"x" * size)
    if modified is not None:
        os.utime(store.folder / path, (modified, modified))
    return path


def a_temporary(store: MediaStore, days_ago: int, modified: datetime) -> Path:
    folder = store.folder / f"charts/{TODAY - timedelta(days=days_ago):%Y/%m/%d}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{TEMPORARY_PREFIX}{modified.timestamp()}"
    path.write_bytes(b"1234567")
    os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


def deleted(reason: str) -> float:
    return REGISTRY.get_sample_value("media_files_deleted_total", {"reason": reason}) or 0.0


def test_days_before_one_are_dropped_and_that_one_stays(store: MediaStore) -> None:
    old = [a_file(store, 31, "a"), a_file(store, 31, "b", size=5), a_file(store, 400)]
    kept = [a_file(store, 30), a_file(store, 0)]
    before = deleted("expired")
    assert lifecycle.drop_days_before(store, TODAY - timedelta(days=30)) == Report(files=3, bytes=25)
    assert [store.exists(path) for path in old + kept] == [False] * 3 + [True] * 2
    assert deleted("expired") == before + 3
    assert lifecycle.drop_days_before(store, TODAY - timedelta(days=30)) == Report()


def test_dropping_days_does_not_list_the_files_of_other_days(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_file(store, 31)
    a_file(store, 0)
    looked_at: list[str] = []
    scandir = os.scandir

    def watch(folder: Path) -> object:
        looked_at.append(str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", watch)
    lifecycle.drop_days_before(store, TODAY - timedelta(days=30))
    days = [folder for folder in looked_at if len(Path(folder).relative_to(store.folder).parts) == 4]
    assert days == [str(store.folder / f"charts/{TODAY - timedelta(days=31):%Y/%m/%d}")]


def test_named_files_go_from_disk_and_from_the_caches(store: MediaStore, cache: MediaCache, redis: Redis) -> None:
    paths = [a_file(store, 0, "a"), a_file(store, 0, "b", size=3)]
    for path in paths:
        cache.get(path, "line")
    before = deleted("orphan")
    missing = "charts/2026/11/24/missing.png"
    assert lifecycle.delete_files(store, cache, [*paths, missing], "orphan") == Report(files=2, bytes=13)
    assert [cache.get(path, "line") for path in paths] == [None, None]
    assert redis.keys("media:*") == []
    assert deleted("orphan") == before + 2
    assert lifecycle.delete_files(store, cache, paths, "orphan") == Report()
    assert lifecycle.delete_files(store, cache, [], "orphan") == Report()


def test_stale_temporaries_are_removed_and_recent_ones_stay(store: MediaStore) -> None:
    dead = a_temporary(store, 1, NOW - timedelta(hours=2))
    alive = a_temporary(store, 0, NOW - timedelta(minutes=1))
    whole = a_file(store, 1, modified=(NOW - timedelta(days=1)).timestamp())
    before = deleted("abandoned")
    assert lifecycle.remove_stale_temporaries(store, NOW - timedelta(hours=1)) == Report(files=1, bytes=7)
    assert not dead.exists()
    assert alive.exists()
    assert store.exists(whole)
    assert deleted("abandoned") == before + 1


def test_temporaries_of_old_days_are_removed_with_their_day(store: MediaStore) -> None:
    temporary = a_temporary(store, 20, NOW - timedelta(days=20))
    assert lifecycle.remove_stale_temporaries(store, NOW) == Report()
    assert temporary.exists()
    assert lifecycle.drop_days_before(store, TODAY) == Report(files=1, bytes=7)
    assert not temporary.exists()


def test_usage_is_the_bytes_of_all_files(store: MediaStore) -> None:
    assert lifecycle.usage(store) == 0
    a_file(store, 0, size=100)
    a_file(store, 50, size=20)
    assert lifecycle.usage(store) == 120
    assert REGISTRY.get_sample_value("media_bytes") == 120


def test_usage_lists_only_days_that_changed(store: MediaStore, monkeypatch) -> None:
    for days_ago in range(3):
        a_file(store, days_ago)
    assert [lifecycle.usage(store) for _ in range(2)] == [30, 30]
    listed: list[DayFolder] = []
    files = MediaStore.files

    def watch(store: MediaStore, folder: DayFolder) -> Iterator[StoredFile]:
        listed.append(folder)
        return files(store, folder)

    monkeypatch.setattr(MediaStore, "files", watch)
    assert lifecycle.usage(store) == 30
    assert listed == []
    a_file(store, 1, "b", size=7)
    assert lifecycle.usage(store) == 37
    assert [folder.day for folder in listed] == [TODAY - timedelta(days=1)]
    store.remove(a_file(store, 2, "a"))
    assert lifecycle.usage(store) == 27


def test_the_oldest_files_that_make_up_a_surplus_are_named(store: MediaStore) -> None:
    newest = a_file(store, 0, "a", modified=50.0)
    younger = a_file(store, 2, "a", modified=200.0)
    older = a_file(store, 2, "b", modified=100.0)
    oldest = a_file(store, 9, "z", modified=300.0)
    assert lifecycle.oldest_files(store, 0) == []
    assert lifecycle.oldest_files(store, 1) == [oldest]
    assert lifecycle.oldest_files(store, 11) == [oldest, older]
    assert lifecycle.oldest_files(store, 30) == [oldest, older, younger]
    assert lifecycle.oldest_files(store, 1_000) == [oldest, older, younger, newest]


def test_the_quota_lists_no_younger_days_than_it_needs(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    a_file(store, 5)
    a_file(store, 0)
    listed: list[DayFolder] = []
    files = MediaStore.files

    def watch(store: MediaStore, folder: DayFolder) -> Iterator[StoredFile]:
        listed.append(folder)
        return files(store, folder)

    monkeypatch.setattr(MediaStore, "files", watch)
    lifecycle.oldest_files(store, 10)
    assert [folder.day for folder in listed] == [TODAY - timedelta(days=5)]


def test_thousands_of_expired_files_are_deleted_within_seconds(store: MediaStore) -> None:
    folder = store.folder / "charts/2026/01/01"
    folder.mkdir(parents=True)
    for number in range(5_000):
        (folder / f"{number}.png").touch()
    started = time.monotonic()
    assert lifecycle.drop_days_before(store, TODAY).files == 5_000
    assert time.monotonic() - started < 5.0
