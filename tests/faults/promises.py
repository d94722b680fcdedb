"""Holds what was promised against what is there, once the fault is healed and the work is done."""

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
class Verdict:
    """What the checker counts: keys with a final answer, accepted ones that are gone, keys stored more than once."""

    keys: int
    lost: int
    doubled: int
    statuses: Counter[int]
    p99_seconds: float


def signals_kept(resources: Resources, entries: list[Entry], allowed: Iterable[int] = (*FINAL, 503)) -> Verdict:
    """P1, P2, P5: every 201 is stored once with what was posted, 409 names the stored one, nothing else was said."""
    allowed = set(allowed)
    strange = [entry for entry in entries if entry.status not in allowed]
    assert not strange, f"answers that must not be: {strange[:5]}"
    with resources.database.reading() as session:
        rows = session.execute(select(Signal.external_id, Signal.id, Signal.price)).all()
        events = Counter(session.scalars(select(Event.subject)).all())
    stored: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        stored[row.external_id].append(str(row.id))
    prices = {row.external_id: row.price for row in rows}
    final = {entry.key for entry in entries if entry.status in FINAL}
    unanswered = {entry.key for entry in entries} - final
    assert not unanswered, f"never got a final answer: {sorted(unanswered)[:5]}"
    lost = {entry.key for entry in entries if entry.status in FINAL and entry.id not in stored.get(entry.key, [])}
    doubled = {key for key, ids in stored.items() if len(ids) > 1}
    twice = [key for key, many in Counter(e.key for e in entries if e.status == 201).items() if many > 1]
    assert not lost, f"promised and not stored: {sorted(lost)[:5]}"
    assert not doubled, f"stored more than once: {sorted(doubled)[:5]}"
    assert not twice, f"accepted more than once: {twice[:5]}"
    changed = [key for key in final if f'"{prices[key]:.3f}"'.encode() not in body_of(key)]
    assert not changed, f"stored with another price: {changed[:5]}"
    assert {events[ids[0]] for ids in stored.values()} <= {1}, "each stored signal has one event of its own"
    return Verdict(len(final), len(lost), len(doubled), Counter(e.status for e in entries), p99(entries))


def p99(entries: list[Entry]) -> float:
    seconds = sorted(entry.seconds for entry in entries if entry.status != CUT)
    return seconds[int(len(seconds) * 0.99)] if seconds else 0.0


def longest(entries: list[Entry]) -> float:
    return max((entry.seconds for entry in entries), default=0.0)


def quiet(resources: Resources, within_seconds: float) -> float:
    """Wait until no chart and no event is to be done (P3); how many seconds that took."""
    return eventually(lambda: None if _at_work(resources) else True, within_seconds)


def eventually(look: Callable[[], object | None], within_seconds: float) -> float:
    """Wait until `look` finds something; how many seconds that took."""
    began = time.monotonic()
    while look() is None:
        assert time.monotonic() - began < within_seconds, f"did not come about within {within_seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


def charts_done(resources: Resources, asked: Iterable[str]) -> Counter[str]:
    """P3: each chart that was asked for has ended, and a failed one says why. The statuses, counted."""
    with resources.database.reading() as session:
        rows = {row.id: row for row in session.scalars(select(Chart)).all()}
    asked = set(asked)
    missing = asked - set(rows)
    assert not missing, f"promised and not stored: {sorted(missing)[:5]}"
    unfinished = [row.id for row in rows.values() if row.status not in DONE]
    assert not unfinished, f"neither ready nor failed: {unfinished[:5]}"
    silent = [row.id for row in rows.values() if row.status == "failed" and not row.error]
    assert not silent, f"failed without a reason: {silent[:5]}"
    return Counter(rows[chart].status for chart in asked)


def media_whole(resources: Resources) -> int:
    """P4: each ready chart has its whole file, each file its ready chart. How many files there are."""
    assert not (wrong := media_faults(resources)), wrong[:5]
    return len(_files(resources))


def media_faults(resources: Resources) -> list[str]:
    with resources.database.reading() as session:
        ready = {row.path: row for row in session.scalars(select(Chart).where(Chart.status == "ready")).all()}
    found = []
    for path, row in ready.items():
        data = resources.store.read(path or "")
        if data is None:
            found.append(f"no file of {row.id}")
        elif (hashlib.sha256(data).hexdigest(), len(data)) != (row.etag, row.bytes):
            found.append(f"not whole: {path}")
    return found + [f"no row of {path}" for path in sorted(_files(resources) - set(ready))]


def _files(resources: Resources) -> set[str]:
    folder = resources.settings.media_dir
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(TEMPORARY_PREFIX)
    }


def _at_work(resources: Resources) -> bool:
    try:
        with resources.database.reading() as session:
            charts = session.scalar(select(func.count()).where(Chart.status.not_in(DONE)))
            events = session.scalar(select(func.count()).where(Event.dispatched_at.is_(None)))
    except SQLAlchemyError:
        return True
    return bool(charts or events)
