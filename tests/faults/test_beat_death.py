"""A dead beat is visible in metrics: the time of the last sweep stops, and the backlog of the web server grows."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from app.resources import Resources
from app.shared.clock import utc_now
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.pictures import request_charts

pytestmark = [pytest.mark.faults, pytest.mark.faults_quick]

SWEPT_AT = "sweep_last_success_timestamp_seconds"
CLEANED_AT = "cleanup_last_success_timestamp_seconds"
STANDING_SECONDS = 7.0
"""Longer than a web process caches the backlog, and longer than several sweeps."""


def scrape(address: str) -> dict[str, float]:
    """Metrics of an address by name and, if there is one, queue."""
    text = requests.get(f"{address}/metrics", timeout=5).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{sample.name} {sample.labels.get('queue', '')}".strip(): sample.value for sample in samples}


def sweep_metrics(samples: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in samples.items() if name.startswith(("sweep", "cleanup", "jobs"))}


def test_a_dead_beat_shows_in_the_age_of_the_last_sweep_and_in_the_backlog_of_the_web_server(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    # The web server's wake-ups are lost: charts wait for a sweep.
    without_broker = replace(settings, celery_broker_url="redis://127.0.0.1:1/0")
    settings = replace(settings, cleanup_interval_seconds=1, worker_metrics_port=processes.free_port())
    settings = replace(settings, prometheus_multiproc_dir=str(tmp_path / "metrics-of-workers"))
    worker_metrics = f"http://127.0.0.1:{settings.worker_metrics_port}"
    with processes.web(without_broker, tmp_path) as address, processes.worker(settings, tmp_path):
        assert sweep_metrics(scrape(worker_metrics)) == {SWEPT_AT: 0, CLEANED_AT: 0}
        with processes.beat(settings, tmp_path) as beat:
            chart_ids = request_charts(address, ["swept"])
            promises.wait_until_idle(resources, 30)
            promises.eventually(lambda: scrape(worker_metrics)[CLEANED_AT] or None, 20)
            # The sweep that woke the worker counted the chart as waiting; the next one does not.
            promises.eventually(lambda: scrape(worker_metrics)["jobs_waiting charts"] == 0 or None, 20)
            beat.kill()
        # Let the worker finish messages that beat has sent.
        time.sleep(1)
        last = sweep_metrics(scrape(worker_metrics))
        assert utc_now().timestamp() - last[SWEPT_AT] < STANDING_SECONDS
        assert last["jobs_waiting charts"] == 0
        chart_ids += request_charts(address, (f"unswept {number}" for number in range(3)))
        time.sleep(STANDING_SECONDS)
        assert sweep_metrics(scrape(worker_metrics)) == last
        assert utc_now().timestamp() - last[SWEPT_AT] > STANDING_SECONDS
        web_metrics = scrape(address)
        assert web_metrics["jobs_waiting charts"] == 3
        # The web server caches the backlog for five seconds.
        assert STANDING_SECONDS - 5 < web_metrics["jobs_oldest_seconds charts"] < STANDING_SECONDS + 5
        with processes.beat(settings, tmp_path, "second-beat"):
            seconds = promises.wait_until_idle(resources, 30)
            promises.eventually(lambda: scrape(worker_metrics)[SWEPT_AT] > last[SWEPT_AT] or None, 20)
    assert promises.check_charts(resources, chart_ids) == Counter(ready=4)
    results.add("beat killed", "3 charts without wake-ups", None, seconds, "visible at /metrics of web and worker")
