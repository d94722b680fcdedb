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

AT_ONCE: Final = 2_000
TEMPORARY_FOR: Final = timedelta(hours=1)
"""How old a writer's leftover or a file without a chart must be: nobody is still at work on it then."""
MOST_REDRAWN: Final = 100
CHARTS_KIND: Final = "charts"


def expire(held: Resources) -> Report:
    """Images whose time is over, chart by chart; then days so old that nothing of them may be left."""
    now, gone = held.clock(), Report()
    while paths := _expired(held, now):
        gone += lifecycle.delete_files(held.store, held.cache, paths, lifecycle.EXPIRED)
    kept_since = now - timedelta(days=held.settings.media_retention_days)
    return gone + lifecycle.drop_days_before(held.store, kept_since.date())


def evict(held: Resources) -> Report:
    """The oldest images, until the rest is within the quota."""
    quota, used = held.settings.media_quota_bytes, lifecycle.usage(held.store)
    if not quota or used <= quota:
        return Report()
    gone = Report()
    paths = iter(lifecycle.oldest_files(held.store, used - quota))
    while part := list(islice(paths, AT_ONCE)):
        with held.database.transaction() as session:
            retention.expire_files(session, part)
        gone += lifecycle.delete_files(held.store, held.cache, part, lifecycle.OVER_QUOTA)
    return gone


def leftovers(held: Resources) -> Report:
    """What writers left that died."""
    return lifecycle.remove_stale_temporaries(held.store, held.clock() - TEMPORARY_FOR)


def reconcile(held: Resources) -> tuple[Report, int]:
    """Files without a chart, removed, and charts without their file, queued: of one day, each run another one."""
    now = held.clock()
    days = [folder for folder in held.store.days() if folder.prefix.startswith(f"{CHARTS_KIND}/")]
    if not days:
        return Report(), 0
    turn = int(now.timestamp() / held.settings.cleanup_interval_seconds)
    folder = days[turn % len(days)]
    return _remove_orphans(held, folder, now), _queue_lost(held, folder, now)


def forget_events(held: Resources) -> int:
    before = held.clock() - timedelta(days=held.settings.events_retention_days)
    return sum(_forgotten(held, before))


def forget_messages(held: Resources) -> int:
    """Signed messages that nobody can send again."""
    total, now = 0, held.clock()
    while True:
        with held.database.transaction() as session:
            deleted = access.forget_messages(held.settings, session, now=now, limit=AT_ONCE)
        total += deleted
        if deleted < AT_ONCE:
            return total


def _expired(held: Resources, now: datetime) -> Sequence[str]:
    with held.database.transaction() as session:
        return charts.expire(session, now=now, limit=AT_ONCE)


def _remove_orphans(held: Resources, folder: DayFolder, now: datetime) -> Report:
    gone = Report()
    since = (now - TEMPORARY_FOR).timestamp()
    old = (file.path for file in held.store.files(folder) if file.modified < since)
    while part := list(islice(old, AT_ONCE)):
        with held.database.reading() as session:
            orphans = retention.orphans(session, part)
        gone += lifecycle.delete_files(held.store, held.cache, orphans, lifecycle.ORPHANED)
    return gone


def _queue_lost(held: Resources, folder: DayFolder, now: datetime) -> int:
    """The sweep wakes a worker for them, so that a lost disk does not crowd out what is asked for now."""
    with held.database.reading() as session:
        expected = retention.files_of_day(session, folder.day)
    for file in held.store.files(folder):
        expected.pop(file.path, None)
    lost = [chart for path, chart in expected.items() if not held.store.exists(path)][:MOST_REDRAWN]
    policy = Policy.of(held.settings)
    with held.database.transaction() as session:
        return sum(charts.redraw(session, chart, policy, now=now, request_id="") for chart in lost)


def _forgotten(held: Resources, before: datetime) -> Iterator[int]:
    gone = AT_ONCE
    while gone == AT_ONCE:
        with held.database.transaction() as session:
            gone = events.forget(session, before=before, limit=AT_ONCE)
        yield gone
