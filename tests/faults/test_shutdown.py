"""A web server that stops under load answers all accepted requests, and /readyz tells the load balancer in time."""

from __future__ import annotations

import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.resources import Resources
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.ledger import FINAL, Ledger, Load
from tests.faults.pictures import a_chart

pytestmark = pytest.mark.faults


@pytest.mark.faults_quick
def test_a_web_server_that_stops_answers_503_at_readyz_and_cuts_no_request(
    settings: Settings, resources: Resources, ledger: Ledger, results: Results, seed: int, tmp_path: Path
) -> None:
    draining = replace(settings, web_drain_seconds=2)
    statuses_of_waiters: list[int] = []
    with (
        processes.serving(draining, tmp_path, "stopping") as (web, address),
        processes.web(settings, tmp_path) as other,
    ):
        load = Load(ledger, [address, other], threads=8, seed=seed, pace_seconds=0.005)
        with load.running():
            time.sleep(1)
            waiter = threading.Thread(target=_wait_for_a_chart, args=(address, statuses_of_waiters))
            waiter.start()
            time.sleep(0.3)
            web.process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            noticed = promises.eventually(lambda: _is_draining(address), 1.5)
            load.closed.add(address)
            assert web.process.wait(draining.web_graceful_timeout_seconds) == 0
            stopped = time.monotonic() - began
            waiter.join()
            time.sleep(0.5)
    entries = ledger.entries()
    outcome = promises.check_signals(resources, entries, FINAL)
    assert statuses_of_waiters == [202], "the request that waited for its chart was cut"
    note = f"503 at /readyz after {noticed:.1f} s, gone after {stopped:.1f} s, none cut"
    results.add("SIGTERM of the web server", f"{len(entries)} posts", outcome, 0, note)


def test_a_web_server_that_stops_without_draining_answers_every_accepted_request(
    settings: Settings, resources: Resources, tmp_path: Path
) -> None:
    statuses_of_waiters: list[int] = []
    with processes.serving(settings, tmp_path) as (web, address):
        waiters = [threading.Thread(target=_wait_for_a_chart, args=(address, statuses_of_waiters)) for _ in range(6)]
        for waiter in waiters:
            waiter.start()
        time.sleep(1)
        web.process.send_signal(signal.SIGTERM)
        assert web.process.wait(settings.web_graceful_timeout_seconds) == 0
        for waiter in waiters:
            waiter.join()
    assert statuses_of_waiters == [202] * 6


def _wait_for_a_chart(address: str, statuses: list[int]) -> None:
    """Send a long request: no worker draws the chart, so it waits until its timeout."""
    response = requests.post(f"{address}/api/v1/charts", json=a_chart("late"), headers={"Prefer": "wait=4"}, timeout=20)
    statuses.append(response.status_code)


def _is_draining(address: str) -> bool | None:
    response = requests.get(f"{address}/readyz", timeout=5)
    return True if (response.status_code, response.json()["status"]) == (503, "draining") else None
