"""SQLite shared by one web and two worker processes, of which some die by kill -9 in the middle of writing."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from app.resources import Resources
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.ledger import CUT, FINAL, Ledger, Load
from tests.faults.pictures import request_charts
from tests.faults.servers import children, kill

pytestmark = pytest.mark.faults


@pytest.fixture
def settings(settings: Settings, sqlite_url: str) -> Settings:
    return replace(settings, database_url=sqlite_url, worker_concurrency=2)


@pytest.fixture
def resources(settings: Settings) -> Iterator[Resources]:
    built = Resources.build(replace(settings, database_timeout_seconds=30))
    yield built
    built.close()


@pytest.mark.faults_quick
def test_writers_killed_while_many_processes_share_the_file_lose_nothing(
    settings: Settings, resources: Resources, ledger: Ledger, results: Results, seed: int, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    with (
        processes.serving(settings, tmp_path) as (web, address),
        processes.worker(settings, tmp_path) as worker,
        processes.beat(settings, tmp_path),
    ):
        chart_ids = request_charts(address, (f"shared {number}" for number in range(16)))
        with Load(ledger, [address], threads=8, seed=seed, pace_seconds=0.01).running():
            for _ in range(6):
                time.sleep(rng.uniform(0.2, 0.8))
                for program in (web, worker):
                    # There may be none while killed processes are being replaced.
                    for victim in rng.sample(living := children(program.process.pid), min(1, len(living))):
                        kill(victim)
        seconds = promises.wait_until_idle(resources, 60)
    entries = ledger.entries()
    outcome = promises.check_signals(resources, entries, (*FINAL, 503, CUT))
    assert outcome.statuses[503] <= len(entries) // 20, "writers do not wait for each other"
    statuses = promises.check_charts(resources, chart_ids)
    assert statuses["ready"] == len(chart_ids), statuses
    promises.check_media(resources)
    with resources.database.reading() as session:
        assert session.execute(text("PRAGMA integrity_check")).scalar() == "ok"
    results.add(
        "SQLite: 1 web and 2 worker processes, 12 of them killed",
        f"{len(entries)} posts, 16 charts",
        outcome,
        seconds,
        "integrity_check ok",
    )
