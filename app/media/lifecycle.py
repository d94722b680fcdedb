"""Deletes files: by day, by name, temporary files by age, and by quota.

It knows no charts: the clean-up task reads the rows first. All functions are idempotent and may run concurrently; a
file that is already deleted is no error and is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Final

from app.media.cache import MediaCache
from app.media.metrics import BYTES, FILES_DELETED
from app.media.store import Report
from app.media.stores import Store

EXPIRED: Final = "expired"
ABANDONED: Final = "abandoned"
OVER_QUOTA: Final = "over_quota"
ORPHANED: Final = "orphaned"
_DAYS_SEARCHED: Final = timedelta(days=7)


def drop_days_before(store: Store, day: date) -> Report:
    """Delete every whole day before this one. Costs what there is to delete, not what there is to keep."""
    expired = [folder for folder in store.days() if folder.day < day]
    return _counted(sum(map(store.drop, expired), Report()), EXPIRED)


def delete_files(store: Store, cache: MediaCache, paths: Sequence[str], reason: str) -> Report:
    """Delete files from disk, then from the caches, in that order: a reader may put back only what is on disk."""
    sizes = [size for path in paths if (size := store.remove(path)) is not None]
    cache.forget(paths)
    return _counted(Report(len(sizes), sum(sizes)), reason)


def remove_stale_temporaries(store: Store, older_than: datetime) -> Report:
    """Delete what writers left that died before then, in the folders of the last week: older ones go with their day."""
    since = (older_than - _DAYS_SEARCHED).date()
    moment = older_than.timestamp()
    recent = [folder for folder in store.days() if folder.day >= since]
    removed = sum((store.drop_temporaries(folder, older_than=moment) for folder in recent), Report())
    return _counted(removed, ABANDONED)


def usage(store: Store) -> int:
    """Bytes of all files. Looks at the files of those days only in which something changed since the last time."""
    total = sum(store.size(folder) for folder in store.days())
    BYTES.set(total)
    return total


def oldest_files(store: Store, surplus_bytes: int) -> list[str]:
    """Paths of the oldest files that hold at least this many bytes together; all paths when all hold less."""
    paths: list[str] = []
    files = _by_age(store)
    while surplus_bytes > 0 and (oldest := next(files, None)):
        path, size = oldest
        paths.append(path)
        surplus_bytes -= size
    return paths


def _by_age(store: Store) -> Iterator[tuple[str, int]]:
    for folder in store.days():
        for file in sorted(store.files(folder), key=lambda file: (file.modified, file.path)):
            yield file.path, file.bytes


def _counted(report: Report, reason: str) -> Report:
    FILES_DELETED.labels(reason).inc(report.files)
    return report
