"""The whole pipeline on real processes: web server, worker, beat, Valkey, and both databases."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import pytest
import requests
from PIL import Image
from redis import Redis

from app.charts import service
from app.charts.models import Chart
from app.charts.policy import Policy
from app.market import service as market
from app.market.csv_files import read_bars
from app.resources import Resources
from app.shared.clock import rfc3339, utc_now
from config import ROOT, Settings
from tests import processes

BARS = read_bars(ROOT / "examples" / "data" / "aapl_1d.csv")
AT, PRICE = BARS.time[-20], BARS.close[-20]
A_SIGNAL: dict[str, Any] = {
    "instrument": "AAPL",
    "side": "buy",
    "price": PRICE,
    "time": AT,
    "payload": {"stop_loss": PRICE * 0.95, "take_profit": [PRICE * 1.05, PRICE * 1.1]},
}
A_CHART: dict[str, Any] = {"type": "candlestick", "data": {"instrument": "AAPL", "timeframe": "1d", "bars": 100}}
MAX_SECONDS = 20

T = TypeVar("T")


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """Periods short enough to wait for."""
    return replace(
        settings,
        sweep_interval_seconds=1,
        cleanup_interval_seconds=1,
        web_concurrency=1,
        worker_concurrency=1,
        prometheus_multiproc_dir=str(tmp_path / "metrics"),
        worker_metrics_port=processes.free_port(),
        # Slower than a request should be, quicker than a loaded test machine can be.
        redis_timeout_seconds=2,
        database_timeout_seconds=10,
    )


@pytest.fixture
def stored_bars(resources: Resources) -> None:
    with resources.database.transaction() as session:
        market.upsert(session, "AAPL", "1d", BARS)


@pytest.fixture
def address(settings: Settings, tmp_path: Path, stored_bars: None) -> Iterator[str]:
    with processes.web(settings, tmp_path) as started:
        yield started


def eventually(poll: Callable[[], T | None]) -> T:
    deadline = time.monotonic() + MAX_SECONDS
    while time.monotonic() < deadline:
        result = poll()
        if result is not None:
            return result
        time.sleep(0.05)
    raise AssertionError("did not happen in time")


def done(address: str, url: str) -> dict[str, Any]:
    """Poll the chart until it is drawn, failed or expired."""

    def poll() -> dict[str, Any] | None:
        chart = requests.get(address + url, timeout=5).json()
        return chart if chart.get("status") in ("ready", "failed", "expired") else None

    return eventually(poll)


def own_chart(resources: Resources, signal_id: str) -> Chart | None:
    with resources.database.reading() as session:
        return service.find_by_signal(session, UUID(signal_id))


def test_a_signal_is_drawn_without_a_request_and_served_from_disk_and_caches(
    settings, address, resources: Resources, tmp_path: Path
):
    with processes.worker(settings, tmp_path) as worker:
        posted = requests.post(
            f"{address}/api/v1/signals", json=A_SIGNAL, headers={"X-Request-ID": "walk-1"}, timeout=5
        )
        assert posted.status_code == 201
        # Polling the API would request the chart, under the id of the polling request.
        eventually(lambda: own_chart(resources, posted.json()["id"]))
        chart = done(address, f"/api/v1/signals/{posted.json()['id']}/chart")
        assert chart["status"] == "ready", chart
        assert chart["warnings"] == []
        assert "buy at" in chart["alt"]

        image = requests.get(address + chart["image_url"], timeout=5)
        assert image.headers["Content-Type"] == "image/png"
        (path,) = [file for file in settings.media_dir.rglob("*") if file.is_file()]
        assert path.relative_to(settings.media_dir).parent.as_posix() == f"charts/{utc_now():%Y/%m/%d}"
        assert path.read_bytes() == image.content
        assert Image.open(BytesIO(image.content)).size == (settings.charts_signal_width, settings.charts_signal_height)
        with Redis.from_url(settings.redis_url) as redis:
            key = f"media:{path.relative_to(settings.media_dir).as_posix()}"
            assert redis.get(key) == image.content
            assert 0 < redis.ttl(key) <= settings.media_ttl_seconds

        again = requests.get(address + chart["image_url"], headers={"If-None-Match": image.headers["ETag"]}, timeout=5)
        assert (again.status_code, again.content) == (304, b"")
        same = requests.get(f"{address}/api/v1/signals/{posted.json()['id']}/chart.png", timeout=5)
        assert same.content == image.content

        exposition = requests.get(f"http://127.0.0.1:{settings.worker_metrics_port}/metrics", timeout=5).text
        assert 'media_render_total{type="candlestick"} 1.0' in exposition
        assert 'celery_tasks_total{state="SUCCESS",task="worker.tasks.render"} 1.0' in exposition
        log = worker.log.read_text()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert "walk-1" in [line.get("request_id") for line in lines if line.get("task") == "worker.tasks.render"]


def test_a_request_with_prefer_wait_returns_the_ready_chart(settings, address, tmp_path: Path):
    with processes.worker(settings, tmp_path):
        response = requests.post(f"{address}/api/v1/charts", json=A_CHART, headers={"Prefer": "wait=10"}, timeout=15)
    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "wait=10"
    assert response.json()["status"] == "ready"


def test_the_sweep_runs_what_lost_its_message(settings, address, tmp_path: Path):
    """The broker lost all messages. Events and charts are still rows."""
    signal = requests.post(f"{address}/api/v1/signals", json=A_SIGNAL, timeout=5).json()
    chart = requests.post(f"{address}/api/v1/charts", json=A_CHART, timeout=5)
    assert chart.status_code == 202
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with processes.worker(settings, tmp_path), processes.beat(settings, tmp_path):
        assert done(address, chart.headers["Location"])["status"] == "ready"
        assert done(address, f"/api/v1/signals/{signal['id']}/chart")["status"] == "ready"


def test_the_chart_of_a_killed_worker_is_drawn_by_another(settings, address, resources: Resources, tmp_path: Path):
    chart = requests.post(f"{address}/api/v1/charts", json=A_CHART, timeout=5).json()
    with resources.database.transaction() as session:
        # The row as a worker leaves it that dies while it draws, after the end of its lease.
        assert service.claim_next(session, Policy.of(settings), now=utc_now() - timedelta(hours=1))
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with processes.worker(settings, tmp_path), processes.beat(settings, tmp_path):
        ended = done(address, f"/api/v1/charts/{chart['id']}")
    assert (ended["status"], ended["attempts"]) == ("ready", 2)


def test_beat_removes_expired_images_and_the_same_request_draws_them_again(
    settings, address, resources: Resources, tmp_path: Path
):
    wait = {"Prefer": "wait=10"}
    with processes.worker(settings, tmp_path), processes.beat(settings, tmp_path):
        chart = requests.post(f"{address}/api/v1/charts", json=A_CHART, headers=wait, timeout=15).json()
        assert requests.get(address + chart["image_url"], timeout=5).status_code == 200
        with resources.database.transaction() as session:
            session.get_one(Chart, chart["id"]).expires_at = utc_now()
        expired = eventually(
            lambda: (
                response
                if (response := requests.get(address + chart["image_url"], timeout=5)).status_code == 410
                else None
            )
        )
        assert expired.headers["Content-Type"] == "application/problem+json"
        eventually(lambda: True if not [*settings.media_dir.rglob("*.png")] else None)
        again = requests.post(f"{address}/api/v1/charts", json=A_CHART, headers=wait, timeout=15).json()
        assert again["status"] == "ready"
        assert requests.get(address + again["image_url"], timeout=5).status_code == 200


def test_without_redis_signals_are_accepted_and_read_and_charts_wait(settings, stored_bars, tmp_path: Path):
    nowhere = f"redis://127.0.0.1:{processes.free_port()}/0"
    with processes.web(replace(settings, redis_url=nowhere), tmp_path) as address:
        posted = requests.post(f"{address}/api/v1/signals", json=A_SIGNAL, timeout=5)
        assert posted.status_code == 201
        assert requests.get(address + posted.headers["Location"], timeout=5).json() == posted.json()
        again = requests.post(f"{address}/api/v1/signals", json=A_SIGNAL, timeout=5)
        assert again.status_code == 409
        assert again.json()["existing_signal_id"] == posted.json()["id"]
        assert requests.post(f"{address}/api/v1/charts", json=A_CHART, timeout=5).status_code == 202


def test_without_a_database_the_worker_ends_with_a_one_line_error(settings, tmp_path: Path):
    broken = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none", database_timeout_seconds=1)
    message = "DATABASE_URL: the database does not answer"
    with pytest.raises(RuntimeError, match=message) as refused, processes.worker(broken, tmp_path):
        pass
    assert "Traceback" not in str(refused.value)


def test_the_times_of_a_chart_are_utc(address):
    chart = requests.post(f"{address}/api/v1/charts", json=A_CHART, timeout=5).json()
    assert chart["created_at"].endswith("Z")
    assert chart["created_at"] <= rfc3339(utc_now())
