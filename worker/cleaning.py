"""The steps of the clean-up task. Each may run twice, and in two workers at the same time.

A step changes the rows first and deletes files after the commit, so that no row names a file that is being deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from sqlalchemy.orm import Session

from app.access import service as access
from app.charts import retention
from app.charts import service as charts
from app.charts.policy import Policy
from app.events import service as events
from app.media import lifecycle
from app.media.store import DayFolder, Report
from app.resources import Resources

BATCH_SIZE: Final = 2_000
MIN_ABANDONED_AGE: Final = timedelta(hours=1)
"""Younger temporary files and files without a chart may belong to a worker that is still writing."""
MAX_REDRAWS: Final = 100


def expire(resources: Resources) -> Report:
    """Delete images past their time, then whole days before the retention time."""
    now, report = resources.clock(), Report()
    while paths := _expire_batch(resources, now):
        report += lifecycle.delete_files(resources.store, resources.cache, paths, lifecycle.EXPIRED)
    kept_since = now - timedelta(days=resources.settings.media_retention_days)
    return report + lifecycle.drop_days_before(resources.store, kept_since.date())


def evict(resources: Resources) -> Report:
    """Delete the oldest images until the rest is within the quota."""
    quota, used = resources.settings.media_quota_bytes, lifecycle.usage(resources.store)
    if not quota or used <= quota:
        return Report()
    report = Report()
    paths = iter(lifecycle.oldest_files(resources.store, used - quota))
    while batch := list(islice(paths, BATCH_SIZE)):
        with resources.database.transaction() as session:
            retention.expire_files(session, batch)
        report += lifecycle.delete_files(resources.store, resources.cache, batch, lifecycle.OVER_QUOTA)
    return report


def remove_temporaries(resources: Resources) -> Report:
    """Delete temporary files of writers that died."""
    return lifecycle.remove_stale_temporaries(resources.store, resources.clock() - MIN_ABANDONED_AGE)


def reconcile(resources: Resources) -> tuple[Report, int]:
    """Compare the files and the charts of one day, another day at each run.

    Deletes files without a chart and queues charts without their file. Returns the deleted files, and how many charts
    were queued.
    """
    now = resources.clock()
    days = [folder for folder in resources.store.days() if folder.prefix.startswith("charts/")]
    if not days:
        return Report(), 0
    run = int(now.timestamp() / resources.settings.cleanup_interval_seconds)
    folder = days[run % len(days)]
    return _remove_orphans(resources, folder, now), _redraw_lost(resources, folder, now)


def delete_old_events(resources: Resources) -> int:
    """Delete dispatched events past their retention time. Returns how many."""
    before = resources.clock() - timedelta(days=resources.settings.events_retention_days)
    return _delete_in_batches(
        resources, lambda session: events.delete_dispatched(session, before=before, limit=BATCH_SIZE)
    )


def delete_old_messages(resources: Resources) -> int:
    """Delete the ids of signed messages that are too old to be replayed. Returns how many."""
    now = resources.clock()
    return _delete_in_batches(
        resources, lambda session: access.forget_messages(resources.settings, session, now=now, limit=BATCH_SIZE)
    )


def _delete_in_batches(resources: Resources, delete_batch: Callable[[Session], int]) -> int:
    total, deleted = 0, BATCH_SIZE
    while deleted == BATCH_SIZE:
        with resources.database.transaction() as session:
            deleted = delete_batch(session)
        total += deleted
    return total


def _expire_batch(resources: Resources, now: datetime) -> list[str]:
    with resources.database.transaction() as session:
        return retention.expire(session, now=now, limit=BATCH_SIZE)


def _remove_orphans(resources: Resources, folder: DayFolder, now: datetime) -> Report:
    report = Report()
    since = (now - MIN_ABANDONED_AGE).timestamp()
    old = (file.path for file in resources.store.files(folder) if file.modified < since)
    while batch := list(islice(old, BATCH_SIZE)):
        with resources.database.reading() as session:
            orphans = retention.orphans(session, batch)
        report += lifecycle.delete_files(resources.store, resources.cache, orphans, lifecycle.ORPHANED)
    return report


def _redraw_lost(resources: Resources, folder: DayFolder, now: datetime) -> int:
    """Queue up to MAX_REDRAWS charts without their file. The sweep wakes workers for them: new requests come first."""
    with resources.database.reading() as session:
        expected = retention.files_of_day(session, folder.day)
    for file in resources.store.files(folder):
        expected.pop(file.path, None)
    lost = [chart_id for path, chart_id in expected.items() if not resources.store.exists(path)][:MAX_REDRAWS]
    policy = Policy.of(resources.settings)
    with resources.database.transaction() as session:
        return sum(charts.redraw(session, chart_id, policy, now=now, request_id="") for chart_id in lost)
