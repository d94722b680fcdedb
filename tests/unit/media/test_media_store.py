"""The store on a real disk: files are complete, stay below its folder, and are kept by date."""

from __future__ import annotations

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from app.media import store as store_module
from app.media.store import TEMPORARY_PREFIX, BadMediaPath, DayFolder, MediaStore, MediaTooLarge, Report, dated_path

PATH = "charts/2026/11/24/abc.png"
DAY = DayFolder("charts/2026/11/24", date(2026, 11, 24))


@pytest.fixture
def store(tmp_path: Path) -> MediaStore:
    return MediaStore(tmp_path / "media", max_bytes=1_000)


def test_a_path_carries_kind_day_and_name() -> None:
    assert dated_path("charts", date(2026, 1, 4), "abc", "png") == "charts/2026/01/04/abc.png"


def test_what_is_written_is_read(store: MediaStore) -> None:
    store.write(PATH, b"image")
    assert store.read(PATH) == b"image"
    assert store.exists(PATH)
    assert (store.folder / PATH).read_bytes() == b"image"


def test_a_second_write_replaces_the_first(store: MediaStore) -> None:
    store.write(PATH, b"first")
    store.write(PATH, b"second")
    assert store.read(PATH) == b"second"
    assert [file.name for file in (store.folder / DAY.prefix).iterdir()] == ["abc.png"]


def test_a_missing_file_is_none(store: MediaStore) -> None:
    assert store.read(PATH) is None
    assert not store.exists(PATH)
    assert store.remove(PATH) is None


def test_a_folder_is_not_a_file(store: MediaStore) -> None:
    store.write(PATH, b"image")
    assert store.read("charts/2026") is None
    assert store.read(f"{PATH}/inside") is None
    assert not store.exists("charts/2026")
    assert store.remove(f"{PATH}/inside") is None


def test_a_deleted_file_is_gone_and_deleting_twice_is_no_error(store: MediaStore) -> None:
    store.write(PATH, b"image")
    assert store.remove(PATH) is not None
    assert store.read(PATH) is None
    assert store.remove(PATH) is None


def test_a_file_of_the_largest_size_is_kept_and_one_byte_more_is_refused(store: MediaStore) -> None:
    store.write(PATH, b"x" * 1_000)
    with pytest.raises(MediaTooLarge, match="1001 bytes, and the limit is 1000"):
        store.write("charts/2026/11/24/large.png", b"x" * 1_001)
    assert not store.exists("charts/2026/11/24/large.png")


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../outside.png",
        "charts/../../outside.png",
        "charts/./a.png",
        "charts//a.png",
        "charts/a.png/",
        ".hidden",
        f"charts/{TEMPORARY_PREFIX}1",
        "charts\\a.png",
        "charts/a\0.png",
        "charts/a.png\n",
        "charts/ä.png",
    ],
)
def test_a_path_that_could_leave_the_folder_is_refused_by_every_method(store: MediaStore, path: str) -> None:
    with pytest.raises(BadMediaPath):
        store.write(path, b"image")
    for look in (store.read, store.exists, store.remove):
        with pytest.raises(BadMediaPath):
            look(path)
    assert not store.folder.exists()


def test_a_relative_folder_stays_where_it_was_when_the_process_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = MediaStore(Path("media"), max_bytes=1_000)
    monkeypatch.chdir("/")
    store.write(PATH, b"image")
    assert (tmp_path / "media" / PATH).read_bytes() == b"image"


@contextmanager
def a_full_disk(room: int) -> Iterator[None]:
    """Make the kernel refuse that any file of this process grows over `room` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_failed_write_leaves_no_file_behind(store: MediaStore) -> None:
    store.write(PATH, b"before")
    with a_full_disk(room=100), pytest.raises(OSError, match="File too large"):
        store.write(PATH, b"x" * 1_000)
    assert store.read(PATH) == b"before"
    assert [file.name for file in (store.folder / DAY.prefix).iterdir()] == ["abc.png"]


def test_everything_is_synced_before_write_returns(store: MediaStore, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda descriptor: synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
    )
    store.write(PATH, b"image")
    folders = [store.folder.parent, *(store.folder / part for part in ("", "charts", "charts/2026", "charts/2026/11"))]
    assert synced[:5] == [str(folder) for folder in folders]
    assert Path(synced[5]).name.startswith(TEMPORARY_PREFIX)
    assert synced[6:] == [str(store.folder / DAY.prefix)]


def test_a_folder_that_is_dropped_during_a_write_is_made_again(
    store: MediaStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole = store_module._write_whole
    lost: list[Path] = []

    def lose_folder_first(target: Path, data: bytes) -> None:
        if len(lost) < 2:
            lost.append(target)
            store.drop(DAY)
        write_whole(target, data)

    monkeypatch.setattr(store_module, "_write_whole", lose_folder_first)
    store.write(PATH, b"image")
    assert store.read(PATH) == b"image"
    assert len(lost) == 2


def test_readers_see_whole_files_only(tmp_path: Path) -> None:
    store = MediaStore(tmp_path, max_bytes=1_000_000)
    contents = {bytes([letter]) * 300_000 for letter in b"abcd"}
    store.write(PATH, next(iter(contents)))
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for content in contents:
                store.write(PATH, content)

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    try:
        seen = {store.read(PATH) for _ in range(300)}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert seen <= contents


def test_days_come_oldest_first_over_all_kinds(store: MediaStore) -> None:
    for path in ("charts/2026/11/24/a.png", "charts/2025/12/31/a.png", "exports/2026/01/02/a.csv"):
        store.write(path, b"x")
    assert list(store.days()) == [
        DayFolder("charts/2025/12/31", date(2025, 12, 31)),
        DayFolder("exports/2026/01/02", date(2026, 1, 2)),
        DAY,
    ]


def test_folders_that_are_not_days_are_left_alone(store: MediaStore) -> None:
    for strange in (
        "charts/2026/13/01",
        "charts/2026/2/3",
        "charts/notes/01/01",
        ".trash/2026/01/01",
        "charts/2026/02/30",
    ):
        (store.folder / strange).mkdir(parents=True)
    (store.folder / "README").write_text("by hand")
    assert list(store.days()) == []


def test_a_store_without_a_folder_has_no_days(store: MediaStore) -> None:
    assert list(store.days()) == []
    assert list(store.files(DAY)) == []
    assert store.drop(DAY) == Report()


def test_dropping_a_day_removes_its_empty_parents_and_keeps_its_siblings(store: MediaStore) -> None:
    for path in (PATH, "charts/2026/11/24/b.png", "charts/2026/11/25/c.png", "charts/2025/01/01/d.png"):
        store.write(path, b"12345")
    (store.folder / DAY.prefix / f"{TEMPORARY_PREFIX}dead").write_bytes(b"123")
    assert store.drop(DAY) == Report(files=3, bytes=13)
    assert store.drop(DayFolder("charts/2025/01/01", date(2025, 1, 1))) == Report(files=1, bytes=5)
    assert not (store.folder / DAY.prefix).exists()
    assert not (store.folder / "charts/2025").exists()
    assert store.exists("charts/2026/11/25/c.png")


def test_files_of_a_day_are_listed_without_temporaries_and_folders(store: MediaStore) -> None:
    store.write(PATH, b"12345")
    (store.folder / DAY.prefix / f"{TEMPORARY_PREFIX}dead").write_bytes(b"123")
    (store.folder / DAY.prefix / "folder").mkdir()
    (file,) = store.files(DAY)
    assert (file.path, file.bytes) == (PATH, 5)
    assert file.modified == (store.folder / PATH).stat().st_mtime


def test_a_file_that_vanishes_while_listed_is_left_out(store: MediaStore) -> None:
    names = [f"charts/2026/11/24/{number}.png" for number in range(5)]
    for name in names:
        store.write(name, b"x")
    listing = store.files(DAY)
    first = next(listing).path
    for name in names:
        store.remove(name)
    assert list(listing) == []
    assert first in names


def test_threads_that_drop_one_day_count_each_file_once(store: MediaStore) -> None:
    for number in range(200):
        store.write(f"charts/2026/11/24/{number}.png", b"x")
    reports: list[Report] = []
    droppers = [threading.Thread(target=lambda: reports.append(store.drop(DAY))) for _ in range(4)]
    for dropper in droppers:
        dropper.start()
    for dropper in droppers:
        dropper.join()
    assert sum(reports, Report()) == Report(files=200, bytes=200)
