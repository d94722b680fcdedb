"""Fixtures of the fault tests: the seed, servers to break, a ledger, and the table of results."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.resources import Resources
from app.shared.db import Base, Database
from config import Settings
from tests.databases import migrate
from tests.faults.ledger import Ledger
from tests.faults.promises import Outcome
from tests.faults.servers import Cluster, Valkey, cluster

SEED = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(1_000_000))
LEASE_SECONDS = 3


@dataclass(frozen=True)
class Result:
    """A row of the table in docs/reliability.md."""

    fault: str
    load: str
    lost: int
    duplicated: int
    recovery_seconds: float
    note: str = ""


RESULTS: list[Result] = []


class Results:
    """Collects the rows of the table."""

    def add(self, fault: str, load: str, outcome: Outcome | None, recovery_seconds: float, note: str = "") -> None:
        lost, duplicated = (outcome.lost, outcome.duplicated) if outcome else (0, 0)
        RESULTS.append(Result(fault, load, lost, duplicated, round(recovery_seconds, 1), note))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section(f"fault tests, FAULT_SEED={SEED}")
    if not RESULTS:
        return
    terminalreporter.write_line("| fault | load | lost | duplicated | recovery, s | note |")
    terminalreporter.write_line("|---|---|---|---|---|---|")
    for row in RESULTS:
        terminalreporter.write_line("| " + " | ".join(str(value) for value in asdict(row).values()) + " |")
    if file := os.environ.get("FAULT_RESULTS"):
        Path(file).write_text(json.dumps({"seed": SEED, "results": [asdict(row) for row in RESULTS]}, indent=1))


@pytest.fixture
def seed() -> int:
    return SEED


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[Valkey]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    server = Valkey(folder)
    server.start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def whole_cluster() -> Iterator[Cluster]:
    with cluster() as started:
        database = Database(started.url, timeout_seconds=60)
        migrate(database)
        database.dispose()
        yield started


@pytest.fixture
def postgresql_cluster(whole_cluster: Cluster) -> Cluster:
    """A PostgreSQL for the fault tests alone, with empty tables."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    engine = sa.create_engine(whole_cluster.url)
    with engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {tables} CASCADE"))
    engine.dispose()
    return whole_cluster


@pytest.fixture
def settings(postgresql_cluster: Cluster, valkey_server: Valkey, tmp_path: Path) -> Settings:
    """Settings with short periods, to save time. Timeouts are those of production."""
    return Settings(
        database_url=postgresql_cluster.url,
        redis_url=valkey_server.url,
        media_dir=tmp_path / "media",
        sweep_interval_seconds=1,
        cleanup_interval_seconds=3_600,
        charts_lease_seconds=LEASE_SECONDS,
        charts_max_attempts=4,
        web_graceful_timeout_seconds=20,
        prometheus_multiproc_dir=str(tmp_path / "metrics"),
    )


@pytest.fixture
def resources(settings: Settings) -> Iterator[Resources]:
    """Resources of the checker: long timeouts, and Redis without the proxy."""
    built = Resources.build(replace(settings, database_timeout_seconds=30, redis_timeout_seconds=5, failpoint=""))
    yield built
    built.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.jsonl")
    yield opened
    opened.close()


@dataclass(frozen=True)
class Scene:
    """The fixtures of tests that are run for many faults, as one object."""

    settings: Settings
    resources: Resources
    ledger: Ledger
    results: Results
    seed: int
    folder: Path


@pytest.fixture
def scene(settings: Settings, resources: Resources, ledger: Ledger, results: Results, tmp_path: Path) -> Scene:
    return Scene(settings, resources, ledger, results, SEED, tmp_path)
