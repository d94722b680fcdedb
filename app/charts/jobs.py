"""Charts as jobs, for those who run the service: which there are, once more, no more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.service import FAILED, QUEUED, RELEASED_VALUES, RENDERING, WAITING, lowest_service_tag, queued_values

UNFINISHED: Final = (QUEUED, RENDERING, FAILED)
CANCELLED: Final = "cancelled"


def find_by_status(session: Session, statuses: Sequence[str], *, limit: int) -> Sequence[Chart]:
    """The charts of these statuses that were asked for last, newest first."""
    return session.scalars(
        select(Chart).where(Chart.status.in_(statuses)).order_by(Chart.created_at.desc()).limit(limit)
    ).all()


def retry(session: Session, chart_id: str, policy: Policy, *, now: datetime, request_id: str = "") -> bool:
    """Queue a failed chart as if it had never been tried. Whether there was one; the caller wakes a worker."""
    failed = update(Chart).where(Chart.id == chart_id, Chart.status == FAILED)
    result = session.execute(failed.values(**queued_values(now, policy, request_id, turn=lowest_service_tag(session))))
    return isinstance(result, CursorResult) and result.rowcount == 1


def retry_failed(session: Session, policy: Policy, *, now: datetime, limit: int) -> Sequence[str]:
    """Queue up to `limit` failed charts, the oldest first; their ids."""
    failed = select(Chart.id).where(Chart.status == FAILED).order_by(Chart.created_at).limit(limit)
    values = queued_values(now, policy, "", turn=lowest_service_tag(session))
    again = update(Chart).where(Chart.id.in_(failed), Chart.status == FAILED).values(**values)
    return session.scalars(again.returning(Chart.id)).all()


def cancel(session: Session, chart_id: str) -> bool:
    """Fail a chart that waits or is being drawn; a worker that holds it finds its fence gone. Whether there was one."""
    waiting = update(Chart).where(Chart.id == chart_id, Chart.status.in_(WAITING))
    result = session.execute(waiting.values(status=FAILED, error=CANCELLED, **RELEASED_VALUES))
    return isinstance(result, CursorResult) and result.rowcount == 1
