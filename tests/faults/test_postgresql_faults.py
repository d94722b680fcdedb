"""PostgreSQL restarted, paused and cut off under load: 503 while it is unavailable, and never a false 201."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from app.shared.db import Database
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Scene
from tests.faults.ledger import FINAL, Load
from tests.faults.pictures import request_charts
from tests.faults.servers import Cluster

pytestmark = pytest.mark.faults

PAUSE_SECONDS = 6.0
RECOVERY_SECONDS = 5.0
MAX_RESPONSE_SECONDS = 3.0


def restart(cluster: Cluster) -> None:
    cluster.restart()


def pause(cluster: Cluster) -> None:
    with cluster.paused():
        time.sleep(PAUSE_SECONDS)


def terminate(cluster: Cluster) -> None:
    for _ in range(5):
        cluster.terminate_connections()
        time.sleep(0.3)


@pytest.mark.parametrize(
    ("fault", "description"),
    [
        pytest.param(restart, "PostgreSQL restarted at once, as after a crash", marks=pytest.mark.faults_quick),
        (pause, "PostgreSQL paused for 6 s"),
        (terminate, "all PostgreSQL connections terminated, 5 times"),
    ],
)
def test_every_refusal_is_503_while_the_database_is_unavailable_and_nothing_is_lost(
    scene: Scene, postgresql_cluster: Cluster, fault: Callable[[Cluster], None], description: str
) -> None:
    with (
        processes.web(scene.settings, scene.folder) as address,
        processes.worker(scene.settings, scene.folder),
        processes.beat(scene.settings, scene.folder),
    ):
        chart_ids = request_charts(address, (f"before {number}" for number in range(8)))
        with Load(scene.ledger, [address], threads=6, seed=scene.seed).running():
            time.sleep(1)
            broken = time.monotonic()
            fault(postgresql_cluster)
            healed = time.monotonic()
            chart_ids += request_charts(address, (f"after {number}" for number in range(8)))
            time.sleep(RECOVERY_SECONDS + 1)
        idle_seconds = promises.wait_until_idle(scene.resources, 90)
    entries = scene.ledger.entries()
    outcome = promises.check_signals(scene.resources, entries, (*FINAL, 503))
    assert promises.check_charts(scene.resources, chart_ids)["ready"] == len(chart_ids)
    promises.check_media(scene.resources)
    recovered = min(entry.began + entry.seconds for entry in entries if entry.began > healed and entry.status in FINAL)
    late_refusals = [entry for entry in entries if entry.status == 503 and entry.began > healed + RECOVERY_SECONDS]
    assert not late_refusals, (
        f"still 503 {RECOVERY_SECONDS} s after the database was available again: {late_refusals[:3]}"
    )
    slowest = promises.max_seconds([entry for entry in entries if entry.began > broken - PAUSE_SECONDS])
    assert slowest < MAX_RESPONSE_SECONDS + 0.5
    refused = outcome.statuses[503]
    note = f"{refused} times 503, slowest response {slowest:.1f} s, charts done after {idle_seconds:.1f} s"
    scene.results.add(description, f"{len(entries)} posts, 16 charts", outcome, max(0.0, recovered - healed), note)


@pytest.mark.faults_quick
def test_a_frozen_server_costs_a_statement_its_timeout_and_no_more(postgresql_cluster: Cluster) -> None:
    database = Database(postgresql_cluster.url, timeout_seconds=1)
    statement = text("SELECT 1")
    with database.reading() as other, database.reading() as session:
        # Two connections: one is in a transaction, the other waits in the pool.
        other.execute(statement)
        session.execute(statement)
        other.close()
        with postgresql_cluster.paused():
            began = time.monotonic()
            with pytest.raises(OperationalError):
                session.execute(statement)
            failed = time.monotonic()
            with pytest.raises(OperationalError), database.reading() as fresh:
                fresh.execute(statement)
            ended = time.monotonic()
    assert failed - began < 2.5
    # Senders of hooks wait 3 s. With the default timeout this takes 0.25 s longer.
    assert ended - failed < MAX_RESPONSE_SECONDS - 0.5
    with database.reading() as session:
        assert session.scalar(statement) == 1
    database.dispose()
