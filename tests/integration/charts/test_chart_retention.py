"""Expiry of charts and the comparison of charts with files, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from app.charts import retention, service
from app.charts.domain import ChartSpec, Sample
from app.charts.policy import Policy
from app.charts.service import RenderResult
from app.shared.db import Database
from config import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy.of(Settings())


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.dispose()


def queued_chart(database: Database, title: str, *, now: datetime = NOW) -> str:
    spec = ChartSpec(type="histogram", data=Sample((1.0, 2.0)), title=title)
    with database.transaction() as session:
        return service.request_chart(session, spec, POLICY, owner="desk", now=now, request_id="").chart.id


def ready_chart(database: Database, title: str, *, now: datetime = NOW) -> str:
    """Draw a chart and return the path of its image."""
    chart_id = queued_chart(database, title, now=now)
    path = f"charts/{now:%Y/%m/%d}/{chart_id}.png"
    with database.transaction() as session:
        lease = service.claim_next(session, POLICY, now=now)
        assert lease is not None
        assert service.complete(session, lease, RenderResult(path, "e", 9, [], "", degraded=False), POLICY, now=now)
    return path


def test_files_without_a_chart_are_orphans(database):
    unknown = ["charts/2026/11/24/unknown.png", "charts/2026/11/23/another.png"]
    with database.reading() as session:
        assert retention.orphans(session, [ready_chart(database, "a"), *unknown]) == unknown


def test_an_older_file_of_a_redrawn_chart_is_an_orphan(database):
    path = ready_chart(database, "a")
    older = path.replace("/24/", "/20/")
    with database.reading() as session:
        assert retention.orphans(session, [older, path]) == [older]


def test_the_file_of_a_waiting_chart_is_no_orphan(database):
    path = f"charts/2026/11/24/{queued_chart(database, 'a')}.png"
    with database.reading() as session:
        assert retention.orphans(session, [path]) == []


def test_the_file_of_an_expired_chart_is_an_orphan(database):
    path = ready_chart(database, "a")
    with database.transaction() as session:
        retention.expire_files(session, [path])
    with database.reading() as session:
        assert service.find(session, retention.chart_id_of(path)).status == service.EXPIRED
        assert retention.orphans(session, [path]) == [path]


def test_only_charts_of_the_named_files_expire(database):
    expired, kept = ready_chart(database, "a"), ready_chart(database, "b")
    with database.transaction() as session:
        retention.expire_files(session, [expired, kept.replace("/24/", "/20/")])
    with database.reading() as session:
        assert service.find(session, retention.chart_id_of(kept)).status == service.READY


def test_the_files_of_a_day_are_those_of_its_ready_charts(database):
    path = ready_chart(database, "a")
    ready_chart(database, "the day before", now=NOW - timedelta(days=1))
    queued_chart(database, "waiting")
    with database.reading() as session:
        assert retention.files_of_day(session, date(2026, 11, 24)) == {path: retention.chart_id_of(path)}
        assert retention.files_of_day(session, date(2026, 11, 25)) == {}
