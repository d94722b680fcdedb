"""A full disk of the metrics folder: web and worker start, serve and log it, and go on when it fills up later."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.resources import Resources
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.pictures import request_charts
from tests.faults.servers import children
from tests.faults.test_storage_faults import fill, mounted

pytestmark = [pytest.mark.faults, pytest.mark.faults_quick]


def with_metrics_in(settings: Settings, folder: Path) -> Settings:
    port = processes.free_port()
    return replace(settings, prometheus_multiproc_dir=str(folder), worker_metrics_port=port, web_concurrency=2)


def events_of(log: Path) -> list[str]:
    return [json.loads(line)["event"] for line in log.read_text().splitlines() if line.startswith("{")]


def make_series(address: str, count: int) -> None:
    """Send requests that each create new time series."""
    for number in range(count):
        signal = {"instrument": f"X{number}", "side": "buy", "price": "1.1"}
        assert requests.post(f"{address}/api/v1/signals", json=signal, timeout=10).status_code in (201, 409)
        assert requests.request("PATCH", f"{address}/nowhere", timeout=10).status_code == 404


def test_web_and_worker_start_and_serve_without_room_for_metrics(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "256k") as disk:
        fill(disk)
        settings = with_metrics_in(settings, disk)
        with (
            processes.serving(settings, tmp_path) as (web, address),
            processes.worker(settings, tmp_path) as worker,
            processes.beat(settings, tmp_path),
        ):
            before = set(children(web.process.pid)), set(children(worker.process.pid))
            chart_ids = request_charts(address, (f"no room {number}" for number in range(4)))
            make_series(address, 20)
            seconds = promises.wait_until_idle(resources, 60)
            for server, metric in (
                (address, "signals_create_seconds_count"),
                (f"http://127.0.0.1:{settings.worker_metrics_port}", "sweep_last_success_timestamp_seconds"),
            ):
                assert f"\n{metric} " in requests.get(f"{server}/metrics", timeout=10).text
            assert (set(children(web.process.pid)), set(children(worker.process.pid))) == before, "processes ended"
            for program in (web, worker):
                assert "metrics_not_shared" in events_of(program.log)
    promises.check_charts(resources, chart_ids)
    results.add("metrics folder full at the start", "20 posts, 4 charts", None, seconds, "no process ended")


def test_a_metrics_folder_that_fills_up_stops_no_process_and_keeps_its_counts(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        settings = with_metrics_in(settings, disk)
        with (
            processes.serving(settings, tmp_path) as (web, address),
            processes.worker(settings, tmp_path) as worker,
            processes.beat(settings, tmp_path),
        ):
            make_series(address, 3)
            filler = fill(disk)
            before = set(children(web.process.pid)), set(children(worker.process.pid))
            chart_ids = request_charts(address, (f"filled {number}" for number in range(4)))
            make_series(address, 45)
            seconds = promises.wait_until_idle(resources, 60)
            text = requests.get(f"{address}/metrics", timeout=10).text
            for number in range(3):
                assert f'signals_ingested_total{{instrument="X{number}",side="buy"}} ' in text
            assert (set(children(web.process.pid)), set(children(worker.process.pid))) == before, "processes ended"
            filler.unlink()
            assert requests.get(f"{address}/metrics", timeout=10).status_code == 200
    promises.check_charts(resources, chart_ids)
    results.add("metrics folder full under load", "50 posts, 4 charts", None, seconds, "no process ended")
