"""A beat that dies leaves its traces: the time of the last sweep stands still, and the backlog that web reads grows."""

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
from tests.faults.pictures import ask

pytestmark = [pytest.mark.faults, pytest.mark.faults_quick]

SWEPT_AT = "sweep_last_success_timestamp_seconds"
CLEANED_AT = "cleanup_last_success_timestamp_seconds"
STANDING_SECONDS = 7.0
"""Longer than a web process keeps the backlog it has read, and several sweeps."""


def scraped(address: str) -> dict[str, float]:
    """Samples of an address, by name and, where there is one, queue."""
    text = requests.get(f"{address}/metrics", timeout=5).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {f"{sample.name} {sample.labels.get('queue', '')}".strip(): sample.value for sample in samples}


def of_the_sweep(samples: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in samples.items() if name.startswith(("sweep", "cleanup", "jobs"))}


def test_a_dead_beat_is_seen_in_the_age_of_the_last_sweep_and_in_the_backlog_of_the_web_server(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path
) -> None:
    # The web server's wake-ups are lost: what is asked of it waits for a sweep.
    without_broker = replace(settings, celery_broker_url="redis://127.0.0.1:1/0")
    settings = replace(settings, cleanup_interval_seconds=1, worker_metrics_port=processes.free_port())
    settings = replace(settings, prometheus_multiproc_dir=str(tmp_path / "metrics-of-workers"))
    worker_metrics = f"http://127.0.0.1:{settings.worker_metrics_port}"
    with processes.web(without_broker, tmp_path) as address, processes.worker(settings, tmp_path):
        assert of_the_sweep(scraped(worker_metrics)) == {SWEPT_AT: 0, CLEANED_AT: 0}
        with processes.beat(settings, tmp_path) as beat:
            asked = ask(address, ["swept"])
            promises.quiet(resources, 30)
            promises.eventually(lambda: scraped(worker_metrics)[CLEANED_AT] or None, 20)
            # The sweep that woke the chart counted it as waiting; the next one does not.
            promises.eventually(lambda: scraped(worker_metrics)["jobs_waiting charts"] == 0 or None, 20)
            beat.kill()
        # What it had sent may still be done.
        time.sleep(1)
        last = of_the_sweep(scraped(worker_metrics))
        assert utc_now().timestamp() - last[SWEPT_AT] < STANDING_SECONDS
        assert last["jobs_waiting charts"] == 0
        asked += ask(address, (f"unswept {number}" for number in range(3)))
        time.sleep(STANDING_SECONDS)
        assert of_the_sweep(scraped(worker_metrics)) == last
        assert utc_now().timestamp() - last[SWEPT_AT] > STANDING_SECONDS
        seen = scraped(address)
        assert seen["jobs_waiting charts"] == 3
        # What is read is kept for five seconds.
        assert STANDING_SECONDS - 5 < seen["jobs_oldest_seconds charts"] < STANDING_SECONDS + 5
        with processes.beat(settings, tmp_path, "second-beat"):
            seconds = promises.quiet(resources, 30)
            promises.eventually(lambda: scraped(worker_metrics)[SWEPT_AT] > last[SWEPT_AT] or None, 20)
    assert promises.charts_done(resources, asked) == Counter(ready=4)
    results.add("beat killed", "3 charts without wake-ups", None, seconds, "seen at /metrics of web and worker")
