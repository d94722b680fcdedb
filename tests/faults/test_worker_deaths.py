"""Killed worker groups, lost messages, workers that stop, and a second beat."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import func, select

from app.charts.models import Chart
from app.resources import Resources
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.pictures import request_charts
from tests.faults.servers import Valkey

pytestmark = pytest.mark.faults

GRACE_SECONDS = 30
LARGE = {"width": 1_200, "height": 675}
HUGE = {"width": 3_000, "height": 3_000}
"""Takes long enough for a test to stop the worker during a render."""


def test_worker_groups_that_are_killed_repeatedly_leave_no_chart_unfinished(
    settings: Settings, resources: Resources, results: Results, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    settings = replace(settings, failpoint="mid_render:poison")
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, [*(f"job {number}" for number in range(60)), "poison"], **LARGE)
        chart_ids += request_charts(address, (f"job {number}" for number in range(60, 200)), **LARGE)
    with processes.beat(settings, tmp_path):
        for life in range(4):
            abandoned = being_drawn(resources)
            with processes.worker(settings, tmp_path, f"life-{life}") as worker:
                time.sleep(rng.uniform(0, 0.2))
                # Kill during a render: before the first chart and after the last one a kill would show nothing.
                wait_for_a_render(resources, abandoned)
                worker.kill()
        with processes.worker(settings, tmp_path, "last"):
            seconds = promises.wait_until_idle(resources, 120)
    statuses = promises.check_charts(resources, chart_ids)
    assert statuses == Counter(ready=200, failed=1)
    promises.check_media(resources)
    with resources.database.reading() as session:
        assert session.get_one(Chart, chart_ids[60]).status == "failed"
        again = session.scalar(select(func.count()).where(Chart.attempts > 1))
    assert again
    assert again > 1, "no kill hit a render"
    results.add(
        "kill -9 of the worker group, 4 times", "200 charts and a poison one", None, seconds, f"{again} drawn again"
    )


def being_drawn(resources: Resources) -> set[str]:
    with resources.database.reading() as session:
        return set(session.scalars(select(Chart.id).where(Chart.status == "rendering")))


def wait_for_a_render(resources: Resources, abandoned: set[str], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not being_drawn(resources) - abandoned:
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.faults_quick
def test_the_sweep_makes_up_for_messages_lost_between_broker_and_worker(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, (f"lost {number}" for number in range(10)))
    with Redis.from_url(settings.redis_url) as redis:
        # Like a worker that dies between taking a message and recording it as unacknowledged.
        popped = sum(redis.lpop("charts") is not None for _ in range(20))
    assert popped == 10
    with processes.worker(settings, tmp_path), processes.beat(settings, tmp_path):
        seconds = promises.wait_until_idle(resources, 60)
    assert promises.check_charts(resources, chart_ids) == Counter(ready=10)
    promises.check_media(resources)
    results.add("message lost between pop and unacked", "10 charts, all messages", None, seconds, "all ready")


@pytest.mark.faults_quick
def test_a_worker_that_stops_finishes_its_render_and_the_next_draws_the_rest_once(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, (f"handed over {number}" for number in range(12)), **HUGE)
    with processes.beat(settings, tmp_path):
        with processes.worker(settings, tmp_path, "first") as worker:
            promises.eventually(lambda: _ready(resources) or None, 20)
            worker.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            assert worker.process.wait(GRACE_SECONDS) == 0
            stopped = time.monotonic() - began
        with resources.database.reading() as session:
            assert not session.scalar(select(func.count()).where(Chart.status == "rendering")), "a render was cut"
        remaining = 12 - _ready(resources)
        assert remaining, "the worker was done before it was stopped"
        with processes.worker(settings, tmp_path, "second"):
            seconds = promises.wait_until_idle(resources, 60)
    assert promises.check_charts(resources, chart_ids) == Counter(ready=12)
    with resources.database.reading() as session:
        assert session.scalar(select(func.max(Chart.attempts))) == 1
    promises.check_media(resources)
    results.add(
        "SIGTERM of the worker",
        f"12 charts, {remaining} remaining",
        None,
        seconds,
        f"stopped in {stopped:.1f} s, none drawn twice",
    )


def test_two_beats_do_the_work_of_each_period_once(
    settings: Settings, valkey_server: Valkey, results: Results, tmp_path: Path
) -> None:
    settings = replace(settings, cleanup_interval_seconds=1)
    with processes.worker(settings, tmp_path) as worker:
        with processes.beat(settings, tmp_path, "beat-one"), processes.beat(settings, tmp_path, "beat-two"):
            began = time.monotonic()
            before = worker.log.read_text().count('"cleaned_up"')
            time.sleep(8)
            done = worker.log.read_text().count('"cleaned_up"') - before
            periods = time.monotonic() - began
        sent = sum(
            (tmp_path / f"beat-{name}.log").read_text().count("Sending due task clean-up") for name in ("one", "two")
        )
    # The lease of a period lasts nine tenths of it.
    assert periods / 2 < done <= periods / 0.9 + 1, (done, periods)
    assert sent > done + 4, "the second beat sent nothing"
    results.add("two beats", f"{periods:.0f} periods of clean-up, {sent} sent", None, 0, f"{done} done")


def _ready(resources: Resources) -> int:
    with resources.database.reading() as session:
        return session.scalar(select(func.count()).where(Chart.status == "ready")) or 0
