"""`flask jobs`: see what waits or failed, do it once more, or give it up.

A chart's id is 32 digits; an event's has dashes. That tells which of the two an ID on the command line names.
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
Row = tuple[str, str, str, str, str, str, str]

BATCH_SIZE: Final = 500
MAX_ERROR_LENGTH: Final = 100


@click.group()
def jobs() -> None:
    """Jobs: list, retry, cancel. A job is a row; what it says is what happens, whatever is in the queue."""


@jobs.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Default: all that is queued, rendering or failed.")
@click.option("--type", "kind", type=click.Choice([CHARTS, EVENTS]), help="Default: both.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Most of each type.")
@with_appcontext
def list_jobs(status: str | None, kind: str | None, limit: int) -> None:
    """Tell what is to be done and what failed, newest first.

    \b
      flask jobs list --status failed --type charts
    """
    with database_errors_in_one_line(), current_resources().database.reading() as session:
        rows = [] if kind == EVENTS else _chart_rows(session, (status,) if status else charts.UNFINISHED, limit)
        rows += [] if kind == CHARTS else _event_rows(session, (status,) if status else events.UNFINISHED, limit)
    show_columns([("type", "id", "status", "attempts", "since", "of", "error"), *rows])


@jobs.command()
@click.argument("job_id", required=False, metavar="ID")
@click.option("--all-failed", is_flag=True, help="Every failed job instead of one.")
@click.option("--type", "kind", type=click.Choice([CHARTS, EVENTS]), help="With --all-failed: only these.")
@with_appcontext
def retry(job_id: str | None, kind: str | None, *, all_failed: bool) -> None:
    """Do a failed job once more, with all its attempts before it.

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
    """Give up a job that waits, or is being done: it ends as failed, with the reason `cancelled`."""
    resources = current_resources()
    event = _event_id(job_id)
    with database_errors_in_one_line(), resources.database.transaction() as session:
        cancelled = (
            charts.cancel(session, job_id) if event is None else events.cancel(session, event, now=resources.clock())
        )
    if not cancelled:
        raise click.ClickException(f"no job {job_id} is waiting or being done")
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
    event = _event_id(job_id)
    with resources.database.transaction() as session:
        if event is None:
            found = charts.retry(session, job_id, Policy.of(resources.settings), now=resources.clock())
        else:
            found = events.retry(session, event)
    if not found:
        raise click.ClickException(f"there is no failed job {job_id}")
    if event is None:
        resources.queue.publish(RENDER, CHARTS, job_id, task_id=job_id)
    else:
        resources.queue.publish(DISPATCH, EVENTS)


def _retry_charts(resources: Resources) -> Iterator[int]:
    """Part by part: how many charts of each were queued again."""
    ids = None
    while ids is None or len(ids) == BATCH_SIZE:
        with resources.database.transaction() as session:
            ids = charts.retry_failed(session, Policy.of(resources.settings), now=resources.clock(), limit=BATCH_SIZE)
        for chart_id in ids:
            resources.queue.publish(RENDER, CHARTS, chart_id, task_id=chart_id)
        yield len(ids)


def _retry_events(resources: Resources) -> Iterator[int]:
    again = BATCH_SIZE
    while again == BATCH_SIZE:
        with resources.database.transaction() as session:
            again = events.retry_failed(session, limit=BATCH_SIZE)
        yield again
    resources.queue.publish(DISPATCH, EVENTS)


def _event_id(job_id: str) -> UUID | None:
    """The id of an event, or None for a chart's. Raises BadParameter for what is neither."""
    if "-" not in job_id:
        return None
    try:
        return UUID(job_id)
    except ValueError as error:
        raise click.BadParameter(f"{job_id!r} is no id of a job", param_hint="ID") from error


def _error(reason: str | None) -> str:
    """One line of it, short enough for a row; the API and the log have the rest."""
    line = " ".join((reason or "-").split())
    return line if len(line) <= MAX_ERROR_LENGTH else f"{line[:MAX_ERROR_LENGTH]}..."
