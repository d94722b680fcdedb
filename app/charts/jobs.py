"""The queue of charts as jobs: the sweep wakes what is due, operators list, retry and cancel."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Final

from sqlalchemy import Row, Update, func, select, update
from sqlalchemy.orm import Session

from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.service import FAILED, QUEUED, RENDERING, WAITING, queued_values, requeue, update_one
from app.charts.statements import LOWEST_TAG, RELEASED_VALUES

UNFINISHED: Final = (QUEUED, RENDERING, FAILED)
CANCELLED: Final = "cancelled"
WORKER_LOST: Final = "the worker was lost at every attempt"


def wake_due(session: Session, policy: Policy, *, now: datetime, limit: int) -> list[str]:
    """Queue up to `limit` charts whose wake-up message or worker was lost, and return their ids.

    Those without attempts left fail. Round robin between owners: none waits for all due charts of another.
    """
    owners = _owners_with_due(session, now, limit)
    limit_per_owner = max(1, limit // max(1, len(owners)))
    due = [_due_of(session, owner, now, limit_per_owner) for owner in owners]
    round_robin = [row for rank in zip_longest(*due) for row in rank if row is not None]
    lost = [row.id for row in round_robin if row.attempts >= policy.max_attempts]
    again = [row.id for row in round_robin if row.attempts < policy.max_attempts]
    session.execute(
        _with_ids(lost).values(status=FAILED, error=func.coalesce(Chart.error, WORKER_LOST), **RELEASED_VALUES)
    )
    session.execute(_with_ids(again).values(due_at=now + policy.lease))
    # Charts without a tag had a worker, or wait after a failure. The lease token stays: a slow worker may still finish.
    untagged = _with_ids(again).where(Chart.turn.is_(None))
    session.execute(untagged.values(status=QUEUED, turn=LOWEST_TAG))
    return again


def backlog(session: Session) -> tuple[int, datetime | None]:
    """How many charts are queued, and when the oldest of them was requested (None when there is none)."""
    count, oldest = session.execute(
        select(func.count(), func.min(Chart.created_at)).where(Chart.status == QUEUED)
    ).one()
    return count, oldest


def find_by_status(session: Session, statuses: Sequence[str], *, limit: int) -> Sequence[Chart]:
    """Return the latest charts of these statuses, newest first."""
    return session.scalars(
        select(Chart).where(Chart.status.in_(statuses)).order_by(Chart.created_at.desc()).limit(limit)
    ).all()


def retry(session: Session, chart_id: str, policy: Policy, *, now: datetime) -> bool:
    """Queue a failed chart as if it had never been tried. Returns False when it has not failed."""
    return requeue(session, chart_id, FAILED, policy, now=now, request_id="")


def retry_failed(session: Session, policy: Policy, *, now: datetime, limit: int) -> Sequence[str]:
    """Queue up to `limit` failed charts, the oldest first, and return their ids."""
    failed = select(Chart.id).where(Chart.status == FAILED).order_by(Chart.created_at).limit(limit)
    again = update(Chart).where(Chart.id.in_(failed), Chart.status == FAILED).values(**queued_values(now, policy, ""))
    return session.scalars(again.returning(Chart.id)).all()


def cancel(session: Session, chart_id: str) -> bool:
    """Fail a chart that waits or is being drawn: its worker loses the lease. Returns False when it does neither."""
    waiting = update(Chart).where(Chart.id == chart_id, Chart.status.in_(WAITING))
    return update_one(session, waiting.values(status=FAILED, error=CANCELLED, **RELEASED_VALUES))


def _owners_with_due(session: Session, now: datetime, limit: int) -> Sequence[str]:
    """Return each owner with due charts: a recursive query that reads one index entry for each owner."""
    due = select(func.min(Chart.owner)).where(Chart.due_at <= now)
    owners = due.cte("owners", recursive=True)
    later = due.where(Chart.owner > owners.c[0]).correlate(owners).scalar_subquery()
    owners = owners.union_all(select(later).where(owners.c[0].is_not(None)))
    return session.scalars(select(owners.c[0]).where(owners.c[0].is_not(None)).limit(limit)).all()


def _due_of(session: Session, owner: str, now: datetime, limit: int) -> Sequence[Row[str, int]]:
    return session.execute(
        select(Chart.id, Chart.attempts)
        .where(Chart.owner == owner, Chart.due_at <= now, Chart.status.in_(WAITING))
        .order_by(Chart.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _with_ids(ids: Iterable[str]) -> Update:
    return update(Chart).where(Chart.id.in_(ids))
