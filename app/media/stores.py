"""The interface of image stores, and the choice of one by the settings."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol, cast

from app.media.store import DayFolder, MediaStore, Report, StoredFile

# By name, so that only a service that keeps its images there loads the client.
_S3: Final = "app.media.s3:S3Media"


class Store(Protocol):
    """Files by path, `<kind>/<year>/<month>/<day>/<name>`, whole or not at all. Safe for many threads and processes."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file, replacing one of that path; durable on return. Raises MediaTooLarge, BadMediaPath, OSError."""

    def read(self, path: str) -> bytes | None:
        """The file, or None when there is none."""

    def exists(self, path: str) -> bool: ...

    def remove(self, path: str) -> int | None:
        """Delete a file; how many bytes it had, or None when there was none."""

    def days(self) -> Iterator[DayFolder]:
        """Every day of which there is anything, oldest first; costs as much as there are days."""

    def files(self, folder: DayFolder) -> Iterator[StoredFile]:
        """The whole files of a day, in no order."""

    def size(self, folder: DayFolder) -> int:
        """Bytes of the whole files of a day."""

    def drop(self, folder: DayFolder) -> Report:
        """Delete a day with all its files."""

    def drop_temporaries(self, folder: DayFolder, *, older_than: float) -> Report:
        """Delete temporary files last changed before `older_than` (seconds since the epoch)."""


def open_store(url: str, folder: Path, *, max_bytes: int) -> Store:
    """The store of an `s3://bucket/prefix` URL, or without one the folder. Connects to nothing yet.

    Raises ImportError when the URL needs a client that is not installed.
    """
    if not url:
        return MediaStore(folder, max_bytes=max_bytes)
    make = cast("Callable[..., Store]", pkgutil.resolve_name(_S3))
    return make(url, max_bytes=max_bytes)
