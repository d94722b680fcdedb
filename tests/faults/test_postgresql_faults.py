"""PostgreSQL restarted, paused and cut off under load: 503 while it is away, and never a false 201."""

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
from tests.faults.pictures import ask
from tests.faults.servers import Cluster

pytestmark = pytest.mark.faults

PAUSE_SECONDS = 6.0
BACK_SECONDS = 5.0
SLOWEST_SECONDS = 3.0


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
    ("fault", "told"),
    [
        pytest.param(restart, "PostgreSQL restarted at once, as after a crash", marks=pytest.mark.faults_quick),
        (pause, "PostgreSQL paused for 6 s"),
        (terminate, "all PostgreSQL connections terminated, 5 times"),
    ],
)
def test_nothing_but_503_is_said_while_the_database_is_away_and_nothing_is_lost(
    scene: Scene, postgresql_cluster: Cluster, fault: Callable[[Cluster], None], told: str
) -> None:
    with (
        processes.web(scene.settings, scene.folder) as address,
        processes.worker(scene.settings, scene.folder),
        processes.beat(scene.settings, scene.folder),
    ):
        asked = ask(address, (f"before {number}" for number in range(8)))
        with Load(scene.ledger, [address], threads=6, seed=scene.seed).running():
            time.sleep(1)
            broken = time.monotonic()
            fault(postgresql_cluster)
            healed = time.monotonic()
            asked += ask(address, (f"after {number}" for number in range(8)))
            time.sleep(BACK_SECONDS + 1)
        quiet_seconds = promises.quiet(scene.resources, 90)
    entries = scene.ledger.entries()
    verdict = promises.signals_kept(scene.resources, entries, (*FINAL, 503))
    assert promises.charts_done(scene.resources, asked)["ready"] == len(asked)
    promises.media_whole(scene.resources)
    back = min(entry.began + entry.seconds for entry in entries if entry.began > healed and entry.status in FINAL)
    late = [entry for entry in entries if entry.status == 503 and entry.began > healed + BACK_SECONDS]
    assert not late, f"still 503 {BACK_SECONDS} s after the database was back: {late[:3]}"
    longest = promises.longest([entry for entry in entries if entry.began > broken - PAUSE_SECONDS])
    assert longest < SLOWEST_SECONDS + 0.5
    refused = verdict.statuses[503]
    note = f"{refused} times 503, longest answer {longest:.1f} s, charts done after {quiet_seconds:.1f} s"
    scene.results.add(told, f"{len(entries)} posts, 16 charts", verdict, max(0.0, back - healed), note)


@pytest.mark.faults_quick
def test_a_frozen_server_costs_a_statement_its_time_limit_and_no_more(postgresql_cluster: Cluster) -> None:
    database = Database(postgresql_cluster.url, timeout_seconds=1)
    ask = text("SELECT 1")
    with database.reading() as other, database.reading() as session:
        # Two connections: one is met in a transaction, the other waits in the pool.
        other.execute(ask)
        session.execute(ask)
        other.close()
        with postgresql_cluster.paused():
            began = time.monotonic()
            with pytest.raises(OperationalError):
                session.execute(ask)
            met = time.monotonic()
            with pytest.raises(OperationalError), database.reading() as fresh:
                fresh.execute(ask)
            ended = time.monotonic()
    assert met - began < 2.5
    # Senders of hooks wait 3 s, and with the default limit all of this takes 0.25 s longer.
    assert ended - met < SLOWEST_SECONDS - 0.5
    with database.reading() as session:
        assert session.scalar(ask) == 1
    database.dispose()
