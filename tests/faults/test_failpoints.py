"""A crash at every failpoint, of web processes and of worker children, under load."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from app.charts.models import Chart
from app.resources import Resources
from app.shared.clock import utc_now
from app.shared.failpoints import KILLED, NAMES
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.ledger import CUT, FINAL, Ledger, Load
from tests.faults.pictures import request_charts
from worker import cleaning

pytestmark = pytest.mark.faults

IN_WEB = ("after_claim_key", "before_commit", "after_commit", "after_publish")
IN_WORKER = ("after_job_claim", "mid_render", "after_temp_write", "after_rename", "before_done_commit")
CRASHED = "Unexpected exit from worker"
LOST_CHILD = f"exitcode {KILLED}"


def quick(name: str, chosen: str) -> object:
    return pytest.param(name, marks=pytest.mark.faults_quick) if name == chosen else name


def test_every_failpoint_has_its_test() -> None:
    assert {*IN_WEB, *IN_WORKER, "after_unlink"} == set(NAMES)


@pytest.mark.parametrize("point", [quick(name, "after_commit") for name in IN_WEB])
def test_web_processes_that_die_at_a_failpoint_lose_and_duplicate_nothing(
    settings: Settings,
    resources: Resources,
    ledger: Ledger,
    results: Results,
    seed: int,
    tmp_path: Path,
    point: str,
) -> None:
    # Wake-ups are published once a second at most.
    every = 1 if point == "after_publish" else 7
    with processes.serving(replace(settings, failpoint=f"{point}/{every}"), tmp_path) as (web, address):
        Load(ledger, [address], threads=6, seed=seed).post(40)
        crashes = web.log.read_text().count(CRASHED)
    entries = ledger.entries()
    assert any(entry.status == CUT for entry in entries), "nothing crashed"
    outcome = promises.check_signals(resources, entries, (*FINAL, 503, CUT))
    assert outcome.keys == 40
    results.add(f"web: crash {point}", f"40 keys twice, {crashes} crashes", outcome, 0)


@pytest.mark.parametrize("point", [quick(name, "mid_render") for name in IN_WORKER])
def test_worker_children_that_die_at_a_failpoint_leave_no_chart_unfinished(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path, point: str
) -> None:
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, (f"{point} {number}" for number in range(16)))
    with (
        processes.worker(replace(settings, failpoint=f"{point}/4"), tmp_path) as worker,
        processes.beat(settings, tmp_path),
    ):
        seconds = promises.wait_until_idle(resources, 60)
        crashes = worker.log.read_text().count(LOST_CHILD)
    assert crashes >= 1, "nothing crashed"
    statuses = promises.check_charts(resources, chart_ids)
    assert statuses["ready"] == 16, statuses
    promises.check_media(resources)
    results.add(f"worker: crash {point}", f"16 charts, {crashes} crashes", None, seconds, "all ready")


def test_a_chart_that_kills_every_worker_fails_and_blocks_no_other(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, ["poison", *(f"harmless {number}" for number in range(12))])
    with (
        processes.worker(replace(settings, failpoint="mid_render:poison"), tmp_path),
        processes.beat(settings, tmp_path),
    ):
        seconds = promises.wait_until_idle(
            resources, (settings.charts_lease_seconds + 3) * settings.charts_max_attempts + 20
        )
    assert promises.check_charts(resources, chart_ids) == Counter(ready=12, failed=1)
    with resources.database.reading() as session:
        poison = session.get_one(Chart, chart_ids[0])
        assert (poison.status, poison.attempts) == ("failed", settings.charts_max_attempts)
    promises.check_media(resources)
    results.add("poison chart kills its child at every attempt", "13 charts", None, seconds, "poison failed, 12 ready")


def test_a_cleanup_that_dies_after_each_deleted_file_is_finished_by_the_next(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    settings = replace(settings, cleanup_interval_seconds=1)
    with processes.web(settings, tmp_path) as address:
        chart_ids = request_charts(address, (f"old {number}" for number in range(8)))
    with processes.worker(replace(settings, cleanup_interval_seconds=3_600), tmp_path) as worker:
        promises.wait_until_idle(resources, 60)
        assert worker.process.poll() is None
    assert promises.check_media(resources) == 8
    with resources.database.transaction() as session:
        for chart in chart_ids[:4]:
            session.get_one(Chart, chart).expires_at = utc_now()
    crashing = replace(settings, failpoint="after_unlink/2")
    with processes.worker(crashing, tmp_path, "cleaner") as worker, processes.beat(settings, tmp_path):
        seconds = promises.eventually(lambda: LOST_CHILD in worker.log.read_text() or None, 30)
    long_ago = utc_now().timestamp() - 2 * cleaning.MIN_ABANDONED_AGE.total_seconds()
    for file in settings.media_dir.rglob("*.png"):
        os.utime(file, (long_ago, long_ago))
    with processes.worker(settings, tmp_path, "next"), processes.beat(settings, tmp_path):
        seconds += promises.eventually(lambda: None if promises.media_errors(resources) else True, 60)
    assert promises.check_charts(resources, chart_ids) == Counter(ready=4, expired=4)
    assert promises.check_media(resources) == 4
    results.add("worker: crash after_unlink", "4 of 8 images expired", None, seconds)
