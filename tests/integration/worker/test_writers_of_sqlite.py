"""SQLite under load: one web process stores signals while two workers follow their events up."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import requests

from config import Settings
from tests import processes

pytestmark = pytest.mark.slow

CONNECTIONS = 16
SECONDS = 6.0
MAX_FOLLOW_UP_SECONDS = 5.0
FOLLOW_UP = "SELECT (julianday(dispatched_at) - julianday(happened_at)) * 86400 FROM events"


@pytest.fixture
def settings(sqlite_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=sqlite_url, redis_url=redis_url, media_dir=tmp_path / "media", worker_concurrency=2)


def post_signals(address: str, number: int) -> Counter[int]:
    """Post single signals over one connection; how many responses have which status."""
    statuses: Counter[int] = Counter()
    deadline = time.monotonic() + SECONDS
    with requests.Session() as session:
        while time.monotonic() < deadline:
            body = {"instrument": f"A{number}", "version": str(statuses.total()), "side": "buy", "price": 1}
            statuses[session.post(f"{address}/api/v1/signals", json=body, timeout=10).status_code] += 1
    return statuses


def follow_up_seconds(settings: Settings) -> list[float | None]:
    """For each event how long it took until a worker followed it up; None where none has."""
    file = settings.sqlalchemy_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, timeout=10)) as database:
        return [seconds for (seconds,) in database.execute(FOLLOW_UP)]


def test_under_load_no_signal_is_refused_and_every_event_is_followed_up_in_time(
    settings: Settings, tmp_path: Path
) -> None:
    with (
        processes.web(settings, tmp_path) as address,
        processes.worker(settings, tmp_path, "charts", queues="charts"),
        processes.worker(settings, tmp_path, "events", queues="events,webhooks,maintenance"),
        ThreadPoolExecutor(CONNECTIONS) as pool,
    ):
        statuses = sum(pool.map(lambda number: post_signals(address, number), range(CONNECTIONS)), Counter())
        deadline = time.monotonic() + MAX_FOLLOW_UP_SECONDS
        while None in follow_up_seconds(settings):
            assert time.monotonic() < deadline, "an event waits for too long"
            time.sleep(0.1)
        waits = follow_up_seconds(settings)
    assert set(statuses) == {201}
    assert len(waits) == statuses[201] >= CONNECTIONS
    assert max(seconds for seconds in waits if seconds is not None) < MAX_FOLLOW_UP_SECONDS
