"""`flask jobs`: list, retry and cancel jobs.

An ID with dashes on the command line is an event's, one without dashes is a chart's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import UUID

import click
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

from app.charts import jobs as charts
from app.charts.policy import Policy
from app.events import service as events
from app.resources import Resources
from app.shared.clock import rfc3339
from app.shared.queue import CHARTS, DISPATCH, EVENTS, RENDER
from app.shared.terminal import database_errors_in_one_line, show_columns
from app.web.context import resources as current_resources

STATUSES: Final = ("queued", "rendering", "ready", "failed", "expired", "done")
BATCH_SIZE: Final = 500
MAX_ERROR_LENGTH: Final = 100

Row = tuple[str, str, str, str, str, str, str]


@click.group()
def jobs() -> None:
    """List, retry and cancel jobs. A job is a row of the database; messages in the broker only wake workers."""


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Default: queued, rendering and failed.")
@click.option("--type", "kind", type=click.Choice([CHARTS, EVENTS]), help="Default: both.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Maximum for each type.")
@with_appcontext
def list_jobs(status: str | None, kind: str | None, limit: int) -> None:
    """List jobs that wait or failed, newest first.

    \b
      flask jobs list --status failed --type charts
    """
    with database_errors_in_one_line(), current_resources().database.reading() as session:
        rows = [] if kind == EVENTS else _chart_rows(session, (status,) if status else charts.UNFINISHED, limit)
        rows += [] if kind == CHARTS else _event_rows(session, (status,) if status else events.UNFINISHED, limit)
    show_columns([("type", "id", "status", "attempts", "since", "of", "error"), *rows])


@jobs.command()
@click.argument("job_id", required=False, metavar="ID")
@click.option("--all-failed", is_flag=True, help="Retry every failed job.")
@click.option("--type", "kind", type=click.Choice([CHARTS, EVENTS]), help="With --all-failed: only jobs of this type.")
@with_appcontext
def retry(job_id: str | None, kind: str | None, *, all_failed: bool) -> None:
    """Queue a failed job again, with all its attempts.

    \b
      flask jobs retry 4c1f0d3e9b7a4c5d8e6f7a8b9c0d1e2f
      flask jobs retry --all-failed --type charts
    """
    if (job_id is None) is not all_failed:
        raise click.UsageError("give an ID or --all-failed")
    resources = current_resources()
    with database_errors_in_one_line():
        if job_id is not None:
            _retry_one(resources, job_id)
            click.echo(f"{job_id} is queued again")
            return
        again = 0 if kind == EVENTS else sum(_retry_charts(resources))
        again += 0 if kind == CHARTS else sum(_retry_events(resources))
    click.echo(f"{again} jobs are queued again")


@jobs.command()
@click.argument("job_id", metavar="ID")
@with_appcontext
def cancel(job_id: str) -> None:
    """Cancel a job that waits or is running. It fails with the error `cancelled`."""
    resources = current_resources()
    event_id = _parse_event_id(job_id)
    with database_errors_in_one_line(), resources.database.transaction() as session:
        if event_id is None:
            cancelled = charts.cancel(session, job_id)
        else:
            cancelled = events.cancel(session, event_id, now=resources.clock())
    if not cancelled:
        raise click.ClickException(f"no job {job_id} is waiting or running")
    click.echo(f"{job_id} is cancelled")


def _chart_rows(session: Session, statuses: Sequence[str], limit: int) -> list[Row]:
    return [
        (CHARTS, job.id, job.status, str(job.attempts), rfc3339(job.created_at), job.owner, _error(job.error))
        for job in charts.find_by_status(session, statuses, limit=limit)
    ]


def _event_rows(session: Session, statuses: Sequence[str], limit: int) -> list[Row]:
    return [
        (
            EVENTS,
            str(job.id),
            events.status(job),
            str(job.attempts),
            rfc3339(job.happened_at),
            job.kind,
            _error(job.error),
        )
        for job in events.find_by_status(session, statuses, limit=limit)
    ]


def _retry_one(resources: Resources, job_id: str) -> None:
    event_id = _parse_event_id(job_id)
    with resources.database.transaction() as session:
        if event_id is None:
            retried = charts.retry(session, job_id, Policy.of(resources.settings), now=resources.clock())
        else:
            retried = events.retry(session, event_id)
    if not retried:
        raise click.ClickException(f"there is no failed job {job_id}")
    if event_id is None:
        resources.queue.publish(RENDER, CHARTS, job_id, task_id=job_id)
    else:
        resources.queue.publish(DISPATCH, EVENTS)


def _retry_charts(resources: Resources) -> Iterator[int]:
    """Queue failed charts in batches, each in its own transaction. Yields the size of each batch."""
    ids = None
    while ids is None or len(ids) == BATCH_SIZE:
        with resources.database.transaction() as session:
            ids = charts.retry_failed(session, Policy.of(resources.settings), now=resources.clock(), limit=BATCH_SIZE)
        for chart_id in ids:
            resources.queue.publish(RENDER, CHARTS, chart_id, task_id=chart_id)
        yield len(ids)


def _retry_events(resources: Resources) -> Iterator[int]:
    """Make failed events undispatched in batches, then wake the dispatcher. Yields the size of each batch."""
    again = BATCH_SIZE
    while again == BATCH_SIZE:
        with resources.database.transaction() as session:
            again = events.retry_failed(session, limit=BATCH_SIZE)
        yield again
    resources.queue.publish(DISPATCH, EVENTS)


def _parse_event_id(job_id: str) -> UUID | None:
    """Return the id of an event, or None for the id of a chart. Raises BadParameter for a malformed id."""
    if "-" not in job_id:
        return None
    try:
        return UUID(job_id)
    except ValueError as error:
        raise click.BadParameter(f"{job_id!r} is not the id of a job", param_hint="ID") from error


def _error(reason: str | None) -> str:
    """The error in one line, cut to MAX_ERROR_LENGTH characters. The API and the log have the whole text."""
    line = " ".join((reason or "-").split())
    return line if len(line) <= MAX_ERROR_LENGTH else f"{line[:MAX_ERROR_LENGTH]}..."
