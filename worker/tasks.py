"""Every task on one page: claim in one transaction, act in none, record in another."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from typing import Final
from uuid import UUID

import structlog
from redis import RedisError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from app.charts import metrics as chart_metrics
from app.charts import service as charts
from app.charts.domain import parse_canonical
from app.charts.policy import Policy
from app.charts.rendering import engine
from app.charts.rendering.errors import RenderError
from app.charts.rendering.image import Image
from app.charts.service import Claim, Drawn
from app.events import service as events
from app.events.models import Event
from app.jobs import backlog
from app.media.store import MediaTooLarge, dated_path
from app.resources import Resources
from app.shared import failpoints, leases, logs, notifications
from app.shared.queue import CHARTS, CLEAN_UP, DISPATCH, EVENTS, RENDER, SWEEP, wake_key
from worker import cleaning, metrics
from worker.celery_app import app, resources
from worker.subscriptions import WakeUp, follow_up

BATCH: Final = 100
SWEPT_AT_ONCE: Final = 500
MOST_SWEPT: Final = 2_000
"""What workers can hardly draw before the next sweep would only be messages that wait twice."""
LEASE_SHARE: Final = 0.9
"""Part of its period that a periodic task holds its lease: all of it, and the next period would find it held."""
CLEANING_SECONDS: Final = 240
"""More than any other task may take, and less than the time after which the broker gives a message out again."""

log = logs.get_logger(__name__)


@app.task(name=DISPATCH)
def dispatch() -> None:
    """Do what follows from every event that nobody has followed up yet."""
    held = resources()
    last: UUID | None = None
    # Whoever commits an event from here on must wake us again: the key goes before the reading.
    with suppress(RedisError):
        held.redis.delete(wake_key(EVENTS))
    while True:
        with held.database.transaction() as session:
            taken = events.take(session, now=held.clock(), limit=BATCH, after=last)
            last = taken[-1].id if taken else last
            wakes = [wake for event in taken for wake in _follow(session, event, held)]
        for wake in wakes:
            held.queue.publish(wake.task, wake.queue, wake.row_id, task_id=wake.row_id)
        if len(taken) < BATCH:
            return


@app.task(name=RENDER)
def render(_woken_for: str = "") -> None:
    """Draw the chart whose turn it is, which need not be the one that sent the message; nothing when none waits."""
    held = resources()
    policy = Policy.of(held.settings)
    # A claim or a record that is lost with its host is made again by the sweep: neither waits for the disk.
    with held.database.transaction(durable=False) as session:
        claim = charts.claim_next(session, policy, now=held.clock())
    if claim is None:
        return
    structlog.contextvars.bind_contextvars(request_id=claim.request_id, chart_id=claim.chart_id, attempt=claim.attempts)
    failpoints.reach("after_job_claim")
    try:
        drawn = _draw_and_keep(held, claim)
    except (RenderError, MediaTooLarge) as error:
        _record_failure(held, claim, policy, str(error), kind="refused", final=True)
    except OSError as error:
        _record_failure(held, claim, policy, f"storage: {error.strerror or error}", kind="storage", final=False)
    except Exception as error:
        log.exception("render_failed")
        _record_failure(held, claim, policy, f"{type(error).__name__}: {error}", kind="error", final=False)
    else:
        with held.database.transaction(durable=False) as session:
            if not charts.complete(session, claim, drawn, policy, now=held.clock()):
                log.warning("lease_lost")
            failpoints.reach("before_done_commit")
    notifications.publish(held.redis, claim.chart_id)


@app.task(name=SWEEP)
def sweep() -> None:
    """Wake what is due and not done: its wake-up was lost, or its worker."""
    held = resources()
    if not _take_lease(held, "sweep", held.settings.sweep_interval_seconds):
        return
    woken = sum(_wake_due(held))
    with held.database.reading() as session:
        queues = backlog.read(session, held.clock())
    metrics.set_backlog(queues)
    waiting_events = next(each.waiting for each in queues if each.queue == EVENTS)
    if waiting_events:
        held.queue.publish(DISPATCH, EVENTS)
    if woken or waiting_events:
        log.info("swept", charts=woken, events=waiting_events)
    metrics.SWEPT_AT.set(held.clock().timestamp())


@app.task(name=CLEAN_UP, soft_time_limit=CLEANING_SECONDS, time_limit=CLEANING_SECONDS + 30)
def clean_up() -> None:
    """Remove what is over its time or over the quota or nobody's, and have drawn again what should be there."""
    held = resources()
    if not _take_lease(held, "clean-up", held.settings.cleanup_interval_seconds):
        return
    expired, evicted = cleaning.expire(held), cleaning.evict(held)
    abandoned = cleaning.leftovers(held)
    orphaned, lost = cleaning.reconcile(held)
    forgotten, messages = cleaning.forget_events(held), cleaning.forget_messages(held)
    removed = {"expired": expired, "over_quota": evicted, "abandoned": abandoned, "orphaned": orphaned}
    told = {f"{name}_{unit}": getattr(report, unit) for name, report in removed.items() for unit in ("files", "bytes")}
    log.info("cleaned_up", **told, lost_files=lost, forgotten_events=forgotten, forgotten_messages=messages)
    metrics.CLEANED_AT.set(held.clock().timestamp())


def _wake_due(held: Resources) -> Iterator[int]:
    """Part by part, each in a transaction of its own: how many charts were woken."""
    for _ in range(MOST_SWEPT // SWEPT_AT_ONCE):
        with held.database.transaction() as session:
            due = charts.wake_due(session, Policy.of(held.settings), now=held.clock(), limit=SWEPT_AT_ONCE)
        for chart_id in due:
            held.queue.publish(RENDER, CHARTS, chart_id, task_id=chart_id)
        yield len(due)
        if not due:
            return


def _follow(session: Session, event: Event, held: Resources) -> list[WakeUp]:
    """One event in a savepoint of its own, so that a bad one holds up no other."""
    with structlog.contextvars.bound_contextvars(request_id=event.request_id, event_id=str(event.id)):
        try:
            with session.begin_nested():
                return follow_up(session, event, held.settings, held.clock())
        except SQLAlchemyError:
            raise
        except Exception as error:
            again = events.try_again(event, str(error), most_attempts=held.settings.events_max_attempts)
            log.exception("event_not_followed", kind=event.kind, again=again)
            return []


def _draw_and_keep(held: Resources, claim: Claim) -> Drawn:
    with chart_metrics.RENDER_SECONDS.labels(claim.type).time():
        image = engine.render(parse_canonical(claim.spec))
    failpoints.reach("mid_render", claim.spec)
    chart_metrics.RENDERS.labels(claim.type).inc()
    path = dated_path("charts", claim.created_at.date(), claim.chart_id, image.format)
    held.store.write(path, image.data)
    if image.degraded:
        chart_metrics.PLACEHOLDERS.labels(claim.type).inc()
        log.error("placeholder_drawn", reason="matplotlib or Pillow cannot be imported")
    else:
        held.cache.put(path, image.data, claim.type)
    return _drawn(path, image)


def _drawn(path: str, image: Image) -> Drawn:
    return Drawn(
        path=path,
        etag=hashlib.sha256(image.data).hexdigest(),
        bytes=len(image.data),
        warnings=image.warnings,
        alt=image.alt,
        degraded=image.degraded,
    )


def _record_failure(held: Resources, claim: Claim, policy: Policy, reason: str, *, kind: str, final: bool) -> None:
    chart_metrics.RENDER_FAILURES.labels(claim.type, kind).inc()
    log.warning("chart_failed", reason=reason, final=final)
    with held.database.transaction() as session:
        charts.fail(session, claim, reason, policy, now=held.clock(), final=final)


def _take_lease(held: Resources, name: str, period_seconds: float) -> bool:
    try:
        with held.database.transaction() as session:
            return leases.take(session, name, held.clock(), period_seconds * LEASE_SHARE)
    except IntegrityError:
        # Two workers made the first lease of this name at once.
        return False
