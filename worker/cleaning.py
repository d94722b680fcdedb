"""The steps of the clean-up. Rows are asked and changed first, files go after the commit: a row never shows a file
that is being deleted. Every step may run twice, and at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

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
"""How old a writer's leftover or a file without a chart must be: nobody is still at work on it then."""
MAX_REDRAWS: Final = 100
CHARTS_KIND: Final = "charts"


def expire(resources: Resources) -> Report:
    """Images whose time is over, chart by chart; then days so old that nothing of them may be left."""
    now, report = resources.clock(), Report()
    while paths := _expired(resources, now):
        report += lifecycle.delete_files(resources.store, resources.cache, paths, lifecycle.EXPIRED)
    kept_since = now - timedelta(days=resources.settings.media_retention_days)
    return report + lifecycle.drop_days_before(resources.store, kept_since.date())


def evict(resources: Resources) -> Report:
    """The oldest images, until the rest is within the quota."""
    quota, used = resources.settings.media_quota_bytes, lifecycle.usage(resources.store)
    if not quota or used <= quota:
        return Report()
    report = Report()
    paths = iter(lifecycle.oldest_files(resources.store, used - quota))
    while part := list(islice(paths, BATCH_SIZE)):
        with resources.database.transaction() as session:
            retention.expire_files(session, part)
        report += lifecycle.delete_files(resources.store, resources.cache, part, lifecycle.OVER_QUOTA)
    return report


def remove_temporaries(resources: Resources) -> Report:
    """What writers left that died."""
    return lifecycle.remove_stale_temporaries(resources.store, resources.clock() - MIN_ABANDONED_AGE)


def reconcile(resources: Resources) -> tuple[Report, int]:
    """Files without a chart, removed, and charts without their file, queued: of one day, each run another one."""
    now = resources.clock()
    days = [folder for folder in resources.store.days() if folder.prefix.startswith(f"{CHARTS_KIND}/")]
    if not days:
        return Report(), 0
    turn = int(now.timestamp() / resources.settings.cleanup_interval_seconds)
    folder = days[turn % len(days)]
    return _remove_orphans(resources, folder, now), _redraw_lost(resources, folder, now)


def delete_old_events(resources: Resources) -> int:
    before = resources.clock() - timedelta(days=resources.settings.events_retention_days)
    return sum(_delete_events(resources, before))


def delete_old_messages(resources: Resources) -> int:
    """Signed messages that nobody can send again."""
    total, now = 0, resources.clock()
    while True:
        with resources.database.transaction() as session:
            deleted = access.forget_messages(resources.settings, session, now=now, limit=BATCH_SIZE)
        total += deleted
        if deleted < BATCH_SIZE:
            return total


def _expired(resources: Resources, now: datetime) -> Sequence[str]:
    with resources.database.transaction() as session:
        return retention.expire(session, now=now, limit=BATCH_SIZE)


def _remove_orphans(resources: Resources, folder: DayFolder, now: datetime) -> Report:
    report = Report()
    since = (now - MIN_ABANDONED_AGE).timestamp()
    old = (file.path for file in resources.store.files(folder) if file.modified < since)
    while part := list(islice(old, BATCH_SIZE)):
        with resources.database.reading() as session:
            orphans = retention.orphans(session, part)
        report += lifecycle.delete_files(resources.store, resources.cache, orphans, lifecycle.ORPHANED)
    return report


def _redraw_lost(resources: Resources, folder: DayFolder, now: datetime) -> int:
    """The sweep wakes a worker for them, so that a lost disk does not crowd out what is asked for now."""
    with resources.database.reading() as session:
        expected = retention.files_of_day(session, folder.day)
    for file in resources.store.files(folder):
        expected.pop(file.path, None)
    lost = [chart for path, chart in expected.items() if not resources.store.exists(path)][:MAX_REDRAWS]
    policy = Policy.of(resources.settings)
    with resources.database.transaction() as session:
        return sum(charts.redraw(session, chart, policy, now=now, request_id="") for chart in lost)


def _delete_events(resources: Resources, before: datetime) -> Iterator[int]:
    deleted = BATCH_SIZE
    while deleted == BATCH_SIZE:
        with resources.database.transaction() as session:
            deleted = events.delete_dispatched(session, before=before, limit=BATCH_SIZE)
        yield deleted
