"""Removal of images: which charts expire, which files belong to no chart, which charts should have a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import PurePosixPath
from typing import Final

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.charts.models import Chart
from app.charts.service import EXPIRED, READY, WAITING

EXPIRED_VALUES: Final = {"status": EXPIRED, "path": None, "expires_at": None}


def chart_id_of(path: str) -> str:
    """The id of the chart that a file was drawn for: the file's name without its extension."""
    return PurePosixPath(path).stem


def expire(session: Session, *, now: datetime, limit: int) -> list[str]:
    """Mark up to `limit` charts past their time as expired. The caller deletes the returned paths after its commit."""
    rows = session.execute(
        select(Chart.id, Chart.path)
        .where(Chart.expires_at <= now, Chart.status == READY)
        .order_by(Chart.expires_at)
        .limit(limit)
    ).all()
    expired = update(Chart).where(Chart.id.in_(row.id for row in rows)).values(**EXPIRED_VALUES)
    session.execute(expired.execution_options(synchronize_session=False))
    return [row.path for row in rows if row.path is not None]


def expire_files(session: Session, paths: Sequence[str]) -> None:
    """Mark the charts of these files as expired. The caller deletes the files after its commit."""
    charts = update(Chart).where(Chart.id.in_(map(chart_id_of, paths)), Chart.path.in_(paths))
    session.execute(charts.values(**EXPIRED_VALUES).execution_options(synchronize_session=False))


def orphans(session: Session, paths: Sequence[str]) -> list[str]:
    """Return the files that no ready chart has and that no waiting chart may be about to have."""
    rows = session.execute(
        select(Chart.id, Chart.status, Chart.path).where(Chart.id.in_(map(chart_id_of, paths)))
    ).all()
    waiting = {row.id for row in rows if row.status in WAITING}
    ready = {row.path for row in rows if row.status == READY}
    return [path for path in paths if path not in ready and chart_id_of(path) not in waiting]


def files_of_day(session: Session, day: date) -> dict[str, str]:
    """Map the path of each ready chart that was requested on this day (UTC) to the chart's id."""
    start = datetime.combine(day, time(), UTC)
    ready = select(Chart.path, Chart.id).where(
        Chart.status == READY, Chart.created_at >= start, Chart.created_at < start + timedelta(days=1)
    )
    return {path: chart_id for path, chart_id in session.execute(ready) if path is not None}
