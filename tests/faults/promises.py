"""Checks the promises of docs/reliability.md against the stored data, after the fault is over and all work is done."""

from __future__ import annotations

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.charts.models import Chart
from app.events.models import Event
from app.media.store import TEMPORARY_PREFIX
from app.resources import Resources
from app.signals.models import Signal
from tests.faults.ledger import CUT, FINAL, Entry, body_of

DONE = ("ready", "failed", "expired")


@dataclass(frozen=True)
class Outcome:
    """Counts of the checker: keys with a final response, accepted ones that are lost, keys stored more than once."""

    keys: int
    lost: int
    duplicated: int
    statuses: Counter[int]
    p99_seconds: float


def check_signals(resources: Resources, entries: list[Entry], allowed: Iterable[int] = (*FINAL, 503)) -> Outcome:
    """P1, P2, P5: every 201 is stored once as posted, 409 names the stored signal, other statuses must be `allowed`."""
    allowed = set(allowed)
    unexpected = [entry for entry in entries if entry.status not in allowed]
    assert not unexpected, f"unexpected responses: {unexpected[:5]}"
    with resources.database.reading() as session:
        rows = session.execute(select(Signal.external_id, Signal.id, Signal.price)).all()
        events = Counter(session.scalars(select(Event.subject)).all())
    stored: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        stored[row.external_id].append(str(row.id))
    prices = {row.external_id: row.price for row in rows}
    final = {entry.key for entry in entries if entry.status in FINAL}
    unanswered = {entry.key for entry in entries} - final
    assert not unanswered, f"without a final response: {sorted(unanswered)[:5]}"
    lost = {entry.key for entry in entries if entry.status in FINAL and entry.id not in stored.get(entry.key, [])}
    duplicated = {key for key, ids in stored.items() if len(ids) > 1}
    accepted_twice = [key for key, number in Counter(e.key for e in entries if e.status == 201).items() if number > 1]
    assert not lost, f"accepted and not stored: {sorted(lost)[:5]}"
    assert not duplicated, f"stored more than once: {sorted(duplicated)[:5]}"
    assert not accepted_twice, f"accepted more than once: {accepted_twice[:5]}"
    changed = [key for key in final if f'"{prices[key]:.3f}"'.encode() not in body_of(key)]
    assert not changed, f"stored with another price: {changed[:5]}"
    assert {events[ids[0]] for ids in stored.values()} <= {1}, "each stored signal has exactly one event"
    return Outcome(len(final), len(lost), len(duplicated), Counter(e.status for e in entries), p99(entries))


def p99(entries: list[Entry]) -> float:
    seconds = sorted(entry.seconds for entry in entries if entry.status != CUT)
    return seconds[int(len(seconds) * 0.99)] if seconds else 0.0


def max_seconds(entries: list[Entry]) -> float:
    return max((entry.seconds for entry in entries), default=0.0)


def wait_until_idle(resources: Resources, within_seconds: float) -> float:
    """Wait until no chart and no event is pending (P3). Returns seconds."""
    return eventually(lambda: None if _is_busy(resources) else True, within_seconds)


def eventually(condition: Callable[[], object | None], within_seconds: float) -> float:
    """Wait until `condition` returns something other than None. Returns seconds."""
    began = time.monotonic()
    while condition() is None:
        assert time.monotonic() - began < within_seconds, f"did not happen within {within_seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


def check_charts(resources: Resources, chart_ids: Iterable[str]) -> Counter[str]:
    """P3: each requested chart is ready or failed, and a failed one has a reason. Returns the number of each status."""
    with resources.database.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Chart)).all()}
    requested = set(chart_ids)
    missing = requested - set(rows)
    assert not missing, f"accepted and not stored: {sorted(missing)[:5]}"
    unfinished = [row.id for row in rows.values() if row.status not in DONE]
    assert not unfinished, f"neither ready nor failed: {unfinished[:5]}"
    without_reason = [row.id for row in rows.values() if row.status == "failed" and not row.error]
    assert not without_reason, f"failed without a reason: {without_reason[:5]}"
    return Counter(rows[chart].status for chart in requested)


def check_media(resources: Resources) -> int:
    """P4: each ready chart has its complete file, each file its ready chart. Returns the number of files."""
    assert not (errors := media_errors(resources)), errors[:5]
    return len(_files(resources))


def media_errors(resources: Resources) -> list[str]:
    """Ready charts without a complete file, and files without a ready chart."""
    with resources.database.reading() as session:
        ready = {row.path: row for row in session.scalars(select(Chart).where(Chart.status == "ready")).all()}
    errors = []
    for path, row in ready.items():
        data = resources.store.read(path or "")
        if data is None:
            errors.append(f"no file of {row.id}")
        elif (hashlib.sha256(data).hexdigest(), len(data)) != (row.etag, row.bytes):
            errors.append(f"incomplete: {path}")
    return errors + [f"no row of {path}" for path in sorted(_files(resources) - set(ready))]


def _files(resources: Resources) -> set[str]:
    folder = resources.settings.media_dir
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX)
    }


def _is_busy(resources: Resources) -> bool:
    try:
        with resources.database.reading() as session:
            charts = session.scalar(select(func.count()).where(Chart.status.not_in(DONE)))
            events = session.scalar(select(func.count()).where(Event.dispatched_at.is_(None)))
    except SQLAlchemyError:
        return True
    return bool(charts or events)
