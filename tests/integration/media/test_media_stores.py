"""Behaviour that all stores share: a folder on disk, and a bucket on a server with the S3 API."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import requests

from app.media import lifecycle
from app.media.s3 import S3Media
from app.media.store import BadMediaPath, DayFolder, MediaStore, MediaTooLarge, Report
from app.media.stores import Store, open_store
from app.resources import Resources
from config import Settings
from tests import processes

PATH = "charts/2026/11/24/abc.png"
DAY = DayFolder("charts/2026/11/24", date(2026, 11, 24))
ACCOUNT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the S3 API."""
    port = processes.free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = ["moto.server", "-H", "127.0.0.1", "-p", str(port)]
    env = processes.environment(Settings()) | ACCOUNT
    with processes.running("s3", arguments, env, tmp_path_factory.mktemp("s3"), lambda log: "Running on" in log):
        yield address


@pytest.fixture
def bucket(s3: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty prefix in a bucket. The client finds its server by the variables that operators set."""
    for name, value in (ACCOUNT | {"AWS_ENDPOINT_URL": s3}).items():
        monkeypatch.setenv(name, value)
    assert requests.put(f"{s3}/images", timeout=10).status_code == 200
    return f"s3://images/{abs(hash(request.node.name))}"


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = request.getfixturevalue("bucket") if request.param == "s3" else ""
    return open_store(url, tmp_path / "media", max_bytes=1_000)


def test_what_is_written_is_read(store: Store) -> None:
    store.write(PATH, b"image")
    assert store.read(PATH) == b"image"
    assert store.exists(PATH)


def test_a_second_write_replaces_the_first(store: Store) -> None:
    store.write(PATH, b"first")
    store.write(PATH, b"second")
    assert store.read(PATH) == b"second"
    assert [file.path for file in store.files(DAY)] == [PATH]


def test_a_missing_file_is_none(store: Store) -> None:
    assert store.read(PATH) is None
    assert not store.exists(PATH)
    assert store.remove(PATH) is None


def test_a_folder_is_not_a_file(store: Store) -> None:
    store.write(PATH, b"image")
    assert store.read("charts/2026") is None
    assert not store.exists("charts/2026")
    assert store.remove(f"{PATH}/inside") is None


def test_removing_a_file_returns_its_size_and_removing_it_again_returns_none(store: Store) -> None:
    store.write(PATH, b"image")
    assert store.remove(PATH) == 5
    assert store.read(PATH) is None
    assert store.remove(PATH) is None


def test_a_file_of_the_largest_size_is_kept_and_one_byte_more_is_refused(store: Store) -> None:
    store.write(PATH, b"x" * 1_000)
    with pytest.raises(MediaTooLarge, match="1001 bytes, and the limit is 1000"):
        store.write("charts/2026/11/24/large.png", b"x" * 1_001)
    assert not store.exists("charts/2026/11/24/large.png")


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../outside.png", "charts//a.png", ".hidden", "charts/a.png/"])
def test_an_invalid_path_is_refused_by_every_method(store: Store, path: str) -> None:
    with pytest.raises(BadMediaPath):
        store.write(path, b"image")
    for look in (store.read, store.exists, store.remove):
        with pytest.raises(BadMediaPath):
            look(path)


def test_days_come_oldest_first_over_all_kinds(store: Store) -> None:
    for path in (PATH, "charts/2025/12/31/a.png", "exports/2026/01/02/a.csv", "charts/notes/01/01/a.png"):
        store.write(path, b"x")
    assert list(store.days()) == [
        DayFolder("charts/2025/12/31", date(2025, 12, 31)),
        DayFolder("exports/2026/01/02", date(2026, 1, 2)),
        DAY,
    ]


def test_an_empty_store_has_no_days(store: Store) -> None:
    assert list(store.days()) == []
    assert list(store.files(DAY)) == []
    assert store.size(DAY) == 0
    assert store.drop(DAY) == Report()
    assert store.drop_temporaries(DAY, older_than=0.0) == Report()


def test_dropping_a_day_keeps_its_neighbours(store: Store) -> None:
    for path in (PATH, "charts/2026/11/24/b.png", "charts/2026/11/25/c.png", "charts/2026/11/2/d.png"):
        store.write(path, b"12345")
    assert store.size(DAY) == 10
    assert store.drop(DAY) == Report(files=2, bytes=10)
    assert store.size(DAY) == 0
    assert store.exists("charts/2026/11/25/c.png")
    assert list(store.days()) == [DayFolder("charts/2026/11/25", date(2026, 11, 25))]


def test_files_expire_in_the_same_way_in_every_store(store: Store) -> None:
    for day in (20, 21, 22):
        store.write(f"charts/2026/11/{day}/a.png", b"x" * day)
    assert lifecycle.usage(store) == 63
    assert lifecycle.drop_days_before(store, date(2026, 11, 21)) == Report(1, 20)
    assert lifecycle.oldest_files(store, 22) == ["charts/2026/11/21/a.png", "charts/2026/11/22/a.png"]
    assert lifecycle.usage(store) == 43


def test_two_prefixes_of_one_bucket_are_separate_stores(bucket: str) -> None:
    one, other = (S3Media(f"{bucket}/{name}", max_bytes=99) for name in ("one", "other"))
    one.write(PATH, b"image")
    assert other.read(PATH) is None
    assert list(other.days()) == []


def test_a_missing_bucket_raises_oserror(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    store = S3Media(bucket.replace("images", "no-such-bucket"), max_bytes=99)
    for fails in (lambda: store.write(PATH, b"image"), lambda: list(store.files(DAY))):
        with pytest.raises(OSError, match="no-such-bucket"):
            fails()


def test_the_settings_choose_the_store(tmp_path: Path, bucket: str) -> None:
    settings = Settings(database_url=f"sqlite:///{tmp_path}/x.db", media_dir=tmp_path / "media")
    for chosen, kind in ((settings, MediaStore), (replace(settings, media_url=bucket), S3Media)):
        resources = Resources.build(chosen)
        assert isinstance(resources.store, kind)
        resources.close()


@pytest.mark.parametrize("url", ["s3://", "s3://b/../x", "http://bucket/x", "s3://UPPER", "file:///tmp"])
def test_a_url_that_names_no_bucket_is_refused_at_start(url: str) -> None:
    assert "MEDIA_URL" in Settings(media_url=url).problems()
