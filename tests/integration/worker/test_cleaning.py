"""The steps of the clean-up task on both databases, a real disk and a real Redis."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from app.access import messages
from app.charts import service
from app.charts.domain import ChartSpec, Sample
from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.service import RenderResult
from app.media.store import Report
from app.resources import Resources
from worker import cleaning

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = b"ten bytes!"


@pytest.fixture
def resources(resources: Resources) -> Resources:
    """The resources with a fixed clock."""
    return replace(resources, clock=lambda: NOW)


@pytest.fixture
def draw(resources: Resources) -> Callable[..., str]:
    """Draws a chart as of some days ago and returns the path of its image."""

    def draw_at(title: str, days_ago: int = 0) -> str:
        at, policy = NOW - timedelta(days=days_ago), Policy.of(resources.settings)
        spec = ChartSpec(type="histogram", data=Sample((1.0, 2.0)), title=title)
        with resources.database.transaction() as session:
            chart = service.request_chart(session, spec, policy, owner="desk", now=at, request_id="").chart
            claim = service.claim_next(session, policy, now=at)
        assert claim is not None
        path = f"charts/{at:%Y/%m/%d}/{chart.id}.png"
        resources.store.write(path, IMAGE)
        os.utime(resources.settings.media_dir / path, (at.timestamp(), at.timestamp()))
        with resources.database.transaction() as session:
            record = RenderResult(path, "e", len(IMAGE), [], "", degraded=False)
            assert service.complete(session, claim, record, policy, now=at)
        return path

    return draw_at


def statuses(resources: Resources) -> dict[str, str]:
    with resources.database.reading() as session:
        return {row.id: row.status for row in session.execute(select(Chart.id, Chart.status))}


def name(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".png")


def test_expired_charts_lose_their_files_and_the_rest_stays(resources, draw):
    old = [draw(str(number), days_ago=31) for number in range(3)]
    kept = draw("kept", days_ago=29)
    assert cleaning.expire(resources) == Report(3, 30)
    assert [resources.store.exists(path) for path in [*old, kept]] == [False] * 3 + [True]
    assert statuses(resources) == {**{name(path): "expired" for path in old}, name(kept): "ready"}
    assert cleaning.expire(resources) == Report()


def test_over_the_quota_the_oldest_images_are_deleted_until_the_rest_fits(resources, draw):
    oldest, older, newest = draw("a", days_ago=3), draw("b", days_ago=2), draw("c")
    tight = replace(resources, settings=replace(resources.settings, media_quota_bytes=15))
    assert cleaning.evict(tight) == Report(2, 20)
    assert [resources.store.exists(path) for path in (oldest, older, newest)] == [False, False, True]
    assert statuses(resources) == {name(oldest): "expired", name(older): "expired", name(newest): "ready"}
    assert cleaning.evict(tight) == Report()


def test_without_a_quota_nothing_is_evicted(resources, draw):
    draw("a")
    assert cleaning.evict(resources) == Report()


def test_a_file_without_a_chart_is_deleted_once_it_is_old_enough(resources, draw):
    path = draw("a")
    young, old = path.replace(name(path), "young"), path.replace(name(path), "old")
    for file, age in ((young, timedelta(minutes=1)), (old, timedelta(hours=2)), (path, timedelta(hours=2))):
        resources.store.write(file, IMAGE)
        os.utime(resources.settings.media_dir / file, ((NOW - age).timestamp(),) * 2)
    assert cleaning.reconcile(resources) == (Report(1, 10), 0)
    assert [resources.store.exists(file) for file in (path, young, old)] == [True, True, False]


def test_a_chart_without_its_file_is_queued(resources, draw):
    lost, kept = draw("a"), draw("b")
    resources.store.remove(lost)
    assert cleaning.reconcile(resources) == (Report(), 1)
    assert statuses(resources) == {name(lost): "queued", name(kept): "ready"}
    assert cleaning.reconcile(resources) == (Report(), 0)


def test_each_run_checks_another_day(resources, draw):
    for days_ago in range(4):
        resources.store.write(f"{draw(str(days_ago), days_ago).rpartition('/')[0]}/nobodys.png", IMAGE)
    for path in resources.settings.media_dir.rglob("nobodys.png"):
        os.utime(path, (0, 0))
    period = timedelta(seconds=resources.settings.cleanup_interval_seconds)
    for run in range(4):
        at = NOW + run * period
        assert cleaning.reconcile(replace(resources, clock=lambda at=at: at)) == (Report(1, 10), 0)


def test_without_files_nothing_is_deleted(resources):
    assert cleaning.reconcile(resources) == (Report(), 0)
    assert cleaning.remove_temporaries(resources) == Report()
    assert cleaning.delete_old_events(resources) == 0
    assert cleaning.delete_old_messages(resources) == 0


def test_signed_messages_too_old_to_be_replayed_are_deleted(resources, monkeypatch):
    monkeypatch.setattr(cleaning, "BATCH_SIZE", 2)
    tolerance = timedelta(seconds=resources.settings.signals_hmac_tolerance_seconds)
    for number in range(5):
        assert messages.bind(
            resources.database, [f"old-{number}"], "desk", now=NOW - 2 * tolerance - timedelta(seconds=1)
        )
    assert messages.bind(resources.database, ["new"], "desk", now=NOW - 2 * tolerance)
    assert cleaning.delete_old_messages(resources) == 5
    assert not messages.bind(resources.database, ["new"], "other", now=NOW)
