"""Files on disk, written atomically. The only module of the media slice that uses the disk.

Paths are relative, in POSIX form, and contain a day: `charts/2026/11/24/<name>.png`. So the age of a file is known from
its path, and a whole day can be deleted at once.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

from app.shared import failpoints
from app.shared.errors import DomainError, ErrorKind

TEMPORARY_PREFIX: Final = ".writing-"
_SEGMENT: Final = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_PATH: Final = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")
_MAX_TRIES: Final = 3


class MediaTooLarge(DomainError):
    kind, slug, title = ErrorKind.TOO_LARGE, "media-too-large", "The image is too large to keep"


class BadMediaPath(ValueError):
    """A path that is absolute, leaves the folder, is hidden or has other characters than A-Z a-z 0-9 . _ -."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was removed."""

    files: int = 0
    bytes: int = 0

    def __add__(self, other: Report) -> Report:
        return Report(self.files + other.files, self.bytes + other.bytes)


@dataclass(frozen=True, slots=True)
class DayFolder:
    """The files of one kind and one day; `prefix` is their common path without the last slash."""

    prefix: str
    day: date


@dataclass(frozen=True, slots=True)
class StoredFile:
    """`modified` in seconds since the epoch."""

    path: str
    bytes: int
    modified: float


@dataclass(frozen=True, slots=True)
class _DaySize:
    """What a day held when its folder was last changed at `changed` (nanoseconds since the epoch)."""

    changed: int
    bytes: int
    confirmed: bool


def dated_path(kind: str, day: date, name: str, extension: str) -> str:
    return f"{kind}/{day:%Y/%m/%d}/{name}.{extension}"


def day_folder(prefix: str) -> DayFolder | None:
    """The day of a folder that `dated_path` names; None for any other."""
    with suppress(ValueError):
        kind, year, month, day = prefix.split("/")
        made_for = date(int(year), int(month), int(day))
        if f"{kind}/{made_for:%Y/%m/%d}" == prefix:
            return DayFolder(prefix, made_for)
    return None


def check_path(path: str) -> None:
    """Raises BadMediaPath unless every part of it is a plain name."""
    if not _PATH.fullmatch(path):
        raise BadMediaPath(f"not a path of the media folder: {path[:200]!r}")


def check_size(data: bytes, limit: int) -> None:
    """Raises MediaTooLarge."""
    if len(data) > limit:
        raise MediaTooLarge(f"{len(data)} bytes, and the limit is {limit}")


class MediaStore:
    """Keeps files below one folder. Safe for many threads and processes; the folder is made on first use."""

    def __init__(self, folder: Path, *, max_bytes: int) -> None:
        self.folder = folder.absolute()
        self._max_bytes = max_bytes
        self._day_sizes: dict[str, _DaySize] = {}

    def write(self, path: str, data: bytes) -> None:
        """Write a file, replacing one of that path. It is durable on return.

        Readers see the old file or the new one, never a part. Raises MediaTooLarge, BadMediaPath, and OSError when
        the disk refuses; then nothing of the file stays.
        """
        check_size(data, self._max_bytes)
        target = self._resolve(path)
        for tries_left in reversed(range(_MAX_TRIES)):
            try:
                _make_folder(target.parent)
                _write_whole(target, data)
            except FileNotFoundError:
                # The clean-up deleted the empty folder meanwhile.
                if not tries_left:
                    raise
            else:
                return

    def read(self, path: str) -> bytes | None:
        try:
            return self._resolve(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def exists(self, path: str) -> bool:
        return self._resolve(path).is_file()

    def remove(self, path: str) -> int | None:
        """Delete a file; how many bytes it had, or None when there was none."""
        size = _unlink(self._resolve(path))
        failpoints.reach("after_unlink")
        return size

    def days(self) -> Iterator[DayFolder]:
        """Every day that has a folder, oldest first. Costs as much as there are days, whatever is in them."""
        days = [folder for kind in _folders(self.folder) for folder in _days_of(kind)]
        yield from sorted(days, key=lambda folder: (folder.day, folder.prefix))

    def files(self, folder: DayFolder) -> Iterator[StoredFile]:
        """The whole files of a day, in no order. What vanishes meanwhile is left out."""
        for entry in _files(self._resolve(folder.prefix)):
            if not entry.name.startswith(TEMPORARY_PREFIX):
                with suppress(FileNotFoundError):
                    state = entry.stat()
                    yield StoredFile(f"{folder.prefix}/{entry.name}", state.st_size, state.st_mtime)

    def size(self, folder: DayFolder) -> int:
        """Bytes of the whole files of a day; remembered for as long as nothing is added or removed."""
        try:
            changed = self._resolve(folder.prefix).stat().st_mtime_ns
        except FileNotFoundError:
            return 0
        cached = self._day_sizes.get(folder.prefix)
        if cached is not None and cached.changed == changed and cached.confirmed:
            return cached.bytes
        total = sum(file.bytes for file in self.files(folder))
        # A change in the same clock tick as the first count would be missed: only a second equal time confirms it.
        confirmed = cached is not None and cached.changed == changed
        self._day_sizes[folder.prefix] = _DaySize(changed, total, confirmed=confirmed)
        return total

    def drop(self, folder: DayFolder) -> Report:
        """Delete a day with all its files, and the folders of its month and year when nothing else is in them."""
        path = self._resolve(folder.prefix)
        self._day_sizes.pop(folder.prefix, None)
        dropped = _unlink_all(_files(path))
        with suppress(OSError):
            for emptied in (path, path.parent, path.parent.parent):
                emptied.rmdir()
        return dropped

    def drop_temporaries(self, folder: DayFolder, *, older_than: float) -> Report:
        """Delete temporary files last changed before `older_than` (seconds since the epoch): their writers died."""
        return _unlink_all(
            entry
            for entry in _files(self._resolve(folder.prefix))
            if entry.name.startswith(TEMPORARY_PREFIX) and _modified(entry) < older_than
        )

    def _resolve(self, path: str) -> Path:
        check_path(path)
        return self.folder / path


def _write_whole(target: Path, data: bytes) -> None:
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        failpoints.reach("after_temp_write")
        temporary.replace(target)
        failpoints.reach("after_rename")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents, each as durable as the files to come."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _days_of(kind: Path) -> Iterator[DayFolder]:
    for year in _folders(kind):
        for month in _folders(year):
            for day in _folders(month):
                # Other folders are not deleted.
                if folder := day_folder(f"{kind.name}/{year.name}/{month.name}/{day.name}"):
                    yield folder


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir() and not entry.name.startswith(".")]


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """What is in a folder; nothing when the folder is gone."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        yield from entries


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _entries(folder) if entry.is_file(follow_symlinks=False))


def _modified(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _unlink_all(entries: Iterator[os.DirEntry[str]]) -> Report:
    sizes = [size for entry in entries if (size := _unlink(Path(entry.path))) is not None]
    return Report(len(sizes), sum(sizes))


def _unlink(path: Path) -> int | None:
    try:
        size = path.stat().st_size
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return size
