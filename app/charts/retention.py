"""What the clean-up asks of charts: which files no chart stands for, and which charts should have a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from pathlib import PurePosixPath

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.charts.models import Chart
from app.charts.service import EXPIRED_VALUES, READY, WAITING


def chart_of(path: str) -> str:
    """The id of the chart that a file was drawn for: its name."""
    return PurePosixPath(path).stem


def orphans(session: Session, paths: Sequence[str]) -> list[str]:
    """Those of the files that no chart has, nor one that waits may yet have."""
    rows = session.execute(select(Chart.id, Chart.status, Chart.path).where(Chart.id.in_(map(chart_of, paths)))).all()
    waiting = {row.id for row in rows if row.status in WAITING}
    had = {row.path for row in rows if row.status == READY}
    return [path for path in paths if path not in had and chart_of(path) not in waiting]


def files_of_day(session: Session, day: date) -> dict[str, str]:
    """The files that the ready charts of a day say they have, each with the chart's id."""
    start = datetime.combine(day, time(), UTC)
    ready = select(Chart.path, Chart.id).where(
        Chart.status == READY, Chart.created_at >= start, Chart.created_at < start + timedelta(days=1)
    )
    return {path: chart_id for path, chart_id in session.execute(ready) if path is not None}


def expire_files(session: Session, paths: Iterable[str]) -> None:
    """Mark the charts of these files, which are to be deleted after the commit."""
    named = list(paths)
    owners = update(Chart).where(Chart.id.in_(map(chart_of, named)), Chart.path.in_(named))
    session.execute(owners.values(**EXPIRED_VALUES).execution_options(synchronize_session=False))
