"""Fair queueing on real workers: many expensive charts of one owner do not delay the charts of others."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import select

from app.charts.models import Chart, SignalChart
from app.events.models import Event
from app.market import service as market
from app.market.csv_files import read_bars
from app.resources import Resources
from config import ROOT, Settings
from tests import processes

BARS = read_bars(ROOT / "examples" / "data" / "aapl_1d.csv")
KEYS = {"greedy": "g" * 32, "modest": "m" * 32}
BAND = {"kind": "bollinger", "period": 5}
EXPENSIVE: dict[str, Any] = {
    "type": "candlestick",
    "data": {"instrument": "AAPL", "timeframe": "1d", "bars": 500},
    "width": 3000,
    "height": 2000,
    "overlays": [BAND] * 6,
}
SMALL: dict[str, Any] = {"type": "line", "data": {"instrument": "AAPL", "timeframe": "1d"}, "width": 320, "height": 180}
SIGNAL: dict[str, Any] = {"instrument": "AAPL", "side": "buy", "price": BARS.close[-5], "time": BARS.time[-5]}
LIMIT_SECONDS = 60


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(
        settings,
        api_keys=tuple(f"{name}:{token}" for name, token in KEYS.items()),
        web_concurrency=1,
        worker_concurrency=1,
        redis_timeout_seconds=2,
        database_timeout_seconds=10,
    )


@pytest.fixture
def address(settings: Settings, resources: Resources, tmp_path: Path) -> Iterator[str]:
    with resources.database.transaction() as session:
        market.upsert(session, "AAPL", "1d", BARS)
    with processes.web(settings, tmp_path) as started:
        yield started


def post(address: str, path: str, body: dict[str, Any], owner: str) -> Any:
    headers = {"Authorization": f"Bearer {KEYS[owner]}"}
    response = requests.post(f"{address}/api/v1/{path}", json=body, headers=headers, timeout=5)
    assert response.status_code in (201, 202), response.text
    return response.json()["id"]


def ready_times(resources: Resources, count: int) -> dict[str, datetime]:
    """Wait until all charts are drawn and return the time of each."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        with resources.database.reading() as session:
            rows = session.execute(select(Chart.id, Chart.ready_at, Chart.status)).all()
        if len(rows) == count and all(row.status == "ready" for row in rows):
            return {row.id: row.ready_at for row in rows if row.ready_at is not None}
        time.sleep(0.1)
    raise AssertionError(f"not drawn in time: {rows}")


def test_a_small_chart_and_a_signal_of_another_owner_do_not_wait_for_many_expensive_ones(
    settings, address, resources: Resources, tmp_path: Path
):
    with (
        processes.worker(settings, tmp_path, "events", "events,webhooks,maintenance"),
        processes.worker(settings, tmp_path, "charts", "charts"),
    ):
        expensive = [
            post(address, "charts", {**EXPENSIVE, "title": f"expensive {number}"}, "greedy") for number in range(6)
        ]
        small = post(address, "charts", SMALL, "modest")
        post(address, "signals", SIGNAL, "modest")
        drawn = ready_times(resources, 8)
    with resources.database.reading() as session:
        handled_at = session.scalars(select(Event.dispatched_at)).one()
        own = session.scalars(select(SignalChart.chart_id)).one()
    last = [drawn[chart] for chart in expensive][-1]
    assert [drawn[chart] for chart in expensive] == sorted(drawn[chart] for chart in expensive)
    assert drawn[small] < drawn[expensive[3]]
    assert handled_at is not None
    assert handled_at < last
    assert drawn[own] < last


def test_events_are_handled_while_no_worker_draws_charts(settings, address, resources: Resources, tmp_path: Path):
    post(address, "charts", EXPENSIVE, "greedy")
    post(address, "signals", SIGNAL, "modest")
    with processes.worker(settings, tmp_path, "events", "events,webhooks,maintenance"):
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            with resources.database.reading() as session:
                statuses = [*session.scalars(select(Chart.status))]
            if len(statuses) == 2:
                break
            time.sleep(0.1)
    assert statuses == ["queued", "queued"]
