"""All tasks. A slow task claims in one transaction, acts without one, and records the result in another."""

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

from app.charts import jobs
from app.charts import metrics as chart_metrics
from app.charts import service as charts
from app.charts.domain import parse_canonical
from app.charts.policy import Policy
from app.charts.rendering import engine
from app.charts.rendering.errors import RenderError
from app.charts.service import RenderLease, RenderResult
from app.events import service as events
from app.events.models import Event
from app.jobs import backlog
from app.media.store import MediaTooLarge, dated_path
from app.resources import Resources
from app.shared import failpoints, leases, logs, notifications
from app.shared.queue import CHARTS, CLEAN_UP, DISPATCH, EVENTS, RENDER, SWEEP, wake_key
from worker import cleaning, metrics
from worker.celery_app import app, process_resources
from worker.subscriptions import WakeUp, handle_event

DISPATCH_BATCH_SIZE: Final = 100
SWEEP_BATCH_SIZE: Final = 500
MAX_SWEPT: Final = 2_000
"""Charts that one sweep wakes. Workers hardly draw more before the next sweep, which would send the rest twice."""
LEASE_SHARE: Final = 0.9
"""Part of its period for which a periodic task leases its name. A whole period would still block the next run."""
CLEANING_SECONDS: Final = 240
"""Longer than any other task, and shorter than the broker's visibility timeout."""

log = logs.get_logger(__name__)


@app.task(name=DISPATCH)
def dispatch() -> None:
    """Handle every undispatched event, in batches, and publish the tasks that follow from them."""
    resources = process_resources()
    last: UUID | None = None
    # Delete the key before reading: an event that is committed from here on must wake a dispatcher again.
    with suppress(RedisError):
        resources.redis.delete(wake_key(EVENTS))
    while True:
        with resources.database.transaction() as session:
            claimed = events.claim(session, now=resources.clock(), limit=DISPATCH_BATCH_SIZE, after=last)
            last = claimed[-1].id if claimed else last
            wakes = [wake for event in claimed for wake in _handle(session, event, resources)]
        for wake in wakes:
            resources.queue.publish(wake.task, wake.queue, wake.row_id, task_id=wake.row_id)
        if len(claimed) < DISPATCH_BATCH_SIZE:
            return


def _handle(session: Session, event: Event, resources: Resources) -> list[WakeUp]:
    """Handle one event in a savepoint, so that its failure leaves the others of the batch alone."""
    with structlog.contextvars.bound_contextvars(request_id=event.request_id, event_id=str(event.id)):
        try:
            with session.begin_nested():
                return handle_event(session, event, resources.settings, resources.clock())
        except SQLAlchemyError:
            raise
        except Exception as error:
            again = events.record_failure(event, str(error), max_attempts=resources.settings.events_max_attempts)
            log.exception("event_not_followed", kind=event.kind, again=again)
            return []


@app.task(name=RENDER)
def render(_chart_id: str = "") -> None:
    """Draw the next chart of the queue, if any. It need not be the chart whose request sent this message."""
    resources = process_resources()
    policy = Policy.of(resources.settings)
    # Not durable: the sweep repeats a claim or a result that is lost with its host, so neither waits for the disk.
    with resources.database.transaction(durable=False) as session:
        lease = charts.claim_next(session, policy, now=resources.clock())
    if lease is None:
        return
    structlog.contextvars.bind_contextvars(request_id=lease.request_id, chart_id=lease.chart_id, attempt=lease.attempts)
    failpoints.reach("after_job_claim")
    try:
        result = _draw_and_store(resources, lease)
    except (RenderError, MediaTooLarge) as error:
        _record_failure(resources, lease, policy, str(error), kind="refused", final=True)
    except OSError as error:
        _record_failure(resources, lease, policy, f"storage: {error.strerror or error}", kind="storage", final=False)
    except Exception as error:
        log.exception("render_failed")
        _record_failure(resources, lease, policy, f"{type(error).__name__}: {error}", kind="error", final=False)
    else:
        with resources.database.transaction(durable=False) as session:
            if not charts.complete(session, lease, result, policy, now=resources.clock()):
                log.warning("lease_lost")
            failpoints.reach("before_done_commit")
    notifications.publish(resources.redis, lease.chart_id)


def _draw_and_store(resources: Resources, lease: RenderLease) -> RenderResult:
    with chart_metrics.RENDER_SECONDS.labels(lease.type).time():
        image = engine.render(parse_canonical(lease.spec))
    failpoints.reach("mid_render", lease.spec)
    chart_metrics.RENDERS.labels(lease.type).inc()
    path = dated_path("charts", lease.created_at.date(), lease.chart_id, image.format)
    resources.store.write(path, image.data)
    if image.degraded:
        chart_metrics.PLACEHOLDERS.labels(lease.type).inc()
        log.error("placeholder_drawn", reason="matplotlib or Pillow cannot be imported")
    else:
        resources.cache.put(path, image.data, lease.type)
    return RenderResult(
        path=path,
        etag=hashlib.sha256(image.data).hexdigest(),
        bytes=len(image.data),
        warnings=list(image.warnings),
        alt=image.alt,
        degraded=image.degraded,
    )


def _record_failure(
    resources: Resources, lease: RenderLease, policy: Policy, reason: str, *, kind: str, final: bool
) -> None:
    chart_metrics.RENDER_FAILURES.labels(lease.type, kind).inc()
    log.warning("chart_failed", reason=reason, final=final)
    with resources.database.transaction() as session:
        charts.fail(session, lease, reason, policy, now=resources.clock(), final=final)


@app.task(name=SWEEP)
def sweep() -> None:
    """Publish tasks for due charts and undispatched events, whose messages or workers were lost."""
    resources = process_resources()
    if not _acquire_lease(resources, "sweep", resources.settings.sweep_interval_seconds):
        return
    woken = sum(_wake_due(resources))
    with resources.database.reading() as session:
        queues = backlog.read(session, resources.clock())
    metrics.set_backlog(queues)
    waiting_events = next(queue.waiting for queue in queues if queue.queue == EVENTS)
    if waiting_events:
        resources.queue.publish(DISPATCH, EVENTS)
    if woken or waiting_events:
        log.info("swept", charts=woken, events=waiting_events)
    metrics.SWEPT_AT.set(resources.clock().timestamp())


def _wake_due(resources: Resources) -> Iterator[int]:
    """Wake due charts in batches, each in its own transaction. Yields the size of each batch."""
    policy = Policy.of(resources.settings)
    for _ in range(MAX_SWEPT // SWEEP_BATCH_SIZE):
        with resources.database.transaction() as session:
            due = jobs.wake_due(session, policy, now=resources.clock(), limit=SWEEP_BATCH_SIZE)
        for chart_id in due:
            resources.queue.publish(RENDER, CHARTS, chart_id, task_id=chart_id)
        yield len(due)
        if not due:
            return


@app.task(name=CLEAN_UP, soft_time_limit=CLEANING_SECONDS, time_limit=CLEANING_SECONDS + 30)
def clean_up() -> None:
    """Remove images past their time, over the quota or without a chart, old events and old messages.

    Charts whose file is missing are queued again.
    """
    resources = process_resources()
    if not _acquire_lease(resources, "clean-up", resources.settings.cleanup_interval_seconds):
        return
    expired, evicted = cleaning.expire(resources), cleaning.evict(resources)
    abandoned = cleaning.remove_temporaries(resources)
    orphaned, lost = cleaning.reconcile(resources)
    old_events, old_messages = cleaning.delete_old_events(resources), cleaning.delete_old_messages(resources)
    removed = {"expired": expired, "over_quota": evicted, "abandoned": abandoned, "orphaned": orphaned}
    counts = {f"{name}_{unit}": getattr(total, unit) for name, total in removed.items() for unit in ("files", "bytes")}
    log.info("cleaned_up", **counts, lost_files=lost, forgotten_events=old_events, forgotten_messages=old_messages)
    metrics.CLEANED_AT.set(resources.clock().timestamp())


def _acquire_lease(resources: Resources, name: str, period_seconds: float) -> bool:
    """Whether this process runs the periodic task in this period."""
    try:
        with resources.database.transaction() as session:
            return leases.take(session, name, resources.clock(), period_seconds * LEASE_SHARE)
    except IntegrityError:
        # Two workers inserted the first lease of this name at the same time.
        return False
