"""Processes of the web server: start, stop, replacement, logs, metrics, and clients that stop within a head."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import requests

from config import ROOT, Settings
from tests import processes
from tests.faults.pictures import a_chart
from tests.processes import Running, free_port

pytestmark = pytest.mark.slow

SLOW_CLIENTS = 200
WORKERS = 2


@pytest.fixture
def settings(sqlite_settings: Settings, postgresql_url: str, tmp_path: Path) -> Settings:
    """On PostgreSQL: SQLite is served by one process."""
    metrics = str(tmp_path / "metrics")
    return replace(
        sqlite_settings,
        database_url=postgresql_url,
        prometheus_multiproc_dir=metrics,
        web_concurrency=WORKERS,
        web_threads=4,
    )


@pytest.fixture
def serving(settings: Settings, tmp_path: Path) -> Iterator[tuple[Running, str]]:
    with processes.serving(settings, tmp_path) as started:
        yield started


def start(settings: Settings) -> subprocess.CompletedProcess[str]:
    """The output of a start command that ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "app.server"],
        cwd=ROOT,
        env=processes.environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def worker_pids(web: Running) -> set[int]:
    return {child.pid for child in psutil.Process(web.process.pid).children()}


def eventually(is_so: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def readiness(address: str) -> tuple[int, str]:
    response = requests.get(f"{address}/readyz", timeout=5)
    return response.status_code, response.json()["status"]


def is_refused(address: str) -> bool:
    port = int(address.rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_a_server_whose_database_has_no_tables_refuses_to_start_in_one_line(settings: Settings, tmp_path: Path) -> None:
    ended = start(replace(settings, database_url=f"sqlite:///{tmp_path}/empty.db", port=free_port()))
    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert [line.partition(":")[0] for line in lines] == ["DATABASE_URL"]
    assert ended.stdout == ""


def test_a_server_with_wrong_settings_refuses_to_start_in_one_line_a_name(settings: Settings) -> None:
    ended = start(replace(settings, port=0, web_head_timeout_seconds=90))
    assert ended.returncode == 1
    assert sorted(line.partition(":")[0] for line in ended.stderr.splitlines()) == ["PORT", "WEB_HEAD_TIMEOUT_SECONDS"]


def test_a_server_whose_port_is_in_use_refuses_to_start_in_one_line(
    settings: Settings, serving: tuple[Running, str]
) -> None:
    """Two servers that share a port by SO_REUSEPORT would each get half of the requests."""
    ended = start(replace(settings, port=int(serving[1].rpartition(":")[2])))
    assert ended.returncode == 1
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
    assert [line.partition(":")[0] for line in lines] == ["WEB_HOST, PORT"]


def test_a_server_may_be_bound_to_a_host_name(settings: Settings, tmp_path: Path) -> None:
    with processes.web(replace(settings, web_host="localhost"), tmp_path) as address:
        assert readiness(address) == (200, "ready")


def test_every_line_of_the_log_is_json(serving: tuple[Running, str]) -> None:
    web, address = serving
    requests.post(f"{address}/api/v1/signals", json={"instrument": "X"}, timeout=5)
    os.kill(min(worker_pids(web)), signal.SIGKILL)
    eventually(lambda: "Respawning" in web.log.read_text())
    web.process.terminate()
    web.process.wait(20)
    lines = [json.loads(line) for line in web.log.read_text().splitlines()]
    assert {"_granian", "app.web.operations.routes"} <= {line["logger"] for line in lines}
    assert all(line["level"] and line["timestamp"] and line["event"] for line in lines)


@pytest.mark.parametrize(("configured", "warnings"), [(0, 0), (1, 0), (3, 1)])
def test_sqlite_is_served_by_one_process_and_a_larger_number_is_one_clear_line(
    settings: Settings, sqlite_url: str, tmp_path: Path, configured: int, warnings: int
) -> None:
    on_sqlite = replace(settings, database_url=sqlite_url, web_concurrency=configured)
    with processes.serving(on_sqlite, tmp_path) as (web, address):
        assert len(worker_pids(web)) == 1
        assert readiness(address) == (200, "ready")
        lines = [json.loads(line) for line in web.log.read_text().splitlines()]
    limited = [line for line in lines if line["event"] == "web_processes_limited"]
    assert [(line["configured"], line["started"]) for line in limited] == [(configured, 1)] * warnings


def test_the_number_of_threads_is_no_warning(settings: Settings, tmp_path: Path) -> None:
    threads = 4 * (os.cpu_count() or 1)
    with processes.serving(replace(settings, web_threads=threads), tmp_path) as (web, _):
        lines = [json.loads(line) for line in web.log.read_text().splitlines()]
    granian = [line["event"] for line in lines if line["logger"] == "_granian"]
    assert granian, "its other messages are logged"
    assert not [event for event in granian if "thread" in event.lower()]


def test_the_metrics_are_those_of_all_processes_together(serving: tuple[Running, str]) -> None:
    web, address = serving
    handled = sum(requests.get(f"{address}/api/v1/signals", timeout=5).status_code == 200 for _ in range(40))
    assert handled == 40
    line = 'flask_http_request_total{method="GET",status="200"}'
    seen = [counted(address, line) for _ in range(8)]
    # Either process may serve a connection; /metrics of both must contain the counts of both.
    assert seen[0] >= 40
    assert seen == sorted(seen)
    killed = min(worker_pids(web))
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: len(worker_pids(web) - {killed}) == WORKERS)
    assert counted(address, line) >= seen[-1]


def counted(address: str, name: str) -> float:
    text = requests.get(f"{address}/metrics", timeout=5).text
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))


def test_a_killed_worker_process_is_replaced(serving: tuple[Running, str]) -> None:
    web, address = serving
    before = worker_pids(web)
    assert len(before) == WORKERS
    os.kill(min(before), signal.SIGKILL)
    eventually(lambda: len(worker_pids(web) - {min(before)}) == WORKERS)
    assert readiness(address) == (200, "ready")


def test_no_worker_process_outlives_a_killed_parent(serving: tuple[Running, str]) -> None:
    web, address = serving
    workers = [psutil.Process(pid) for pid in worker_pids(web)]
    os.kill(web.process.pid, signal.SIGKILL)
    dead, alive = psutil.wait_procs(workers, timeout=10)
    assert (len(dead), alive) == (WORKERS, [])
    assert is_refused(address)


def test_a_stopping_server_drains_first_and_serves_requests_meanwhile(settings: Settings, tmp_path: Path) -> None:
    with processes.serving(replace(settings, web_drain_seconds=2), tmp_path) as (web, address):
        web.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        eventually(lambda: readiness(address) == (503, "draining"), 1.5)
        while time.monotonic() - began < 1.7:
            # New connections, to either process.
            assert readiness(address) == (503, "draining")
            signal_id = f"drain-{time.monotonic()}"
            body = {"instrument": signal_id, "side": "buy", "price": 1, "external_id": signal_id}
            assert requests.post(f"{address}/api/v1/signals", json=body, timeout=5).status_code == 201
        assert web.process.wait(20) == 0
        assert time.monotonic() - began >= 2


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_stops_without_draining(settings: Settings, tmp_path: Path, second: signal.Signals) -> None:
    with processes.serving(replace(settings, web_drain_seconds=300), tmp_path) as (web, address):
        web.process.send_signal(signal.SIGTERM)
        eventually(lambda: readiness(address) == (503, "draining"))
        web.process.send_signal(second)
        assert web.process.wait(20) == 0


def test_running_requests_get_their_responses_before_the_server_ends(serving: tuple[Running, str]) -> None:
    """Each request waits for a chart that no worker draws."""
    web, address = serving
    responses: list[tuple[int, str]] = []

    def wait_for_a_chart(number: int) -> None:
        chart = a_chart(f"late-{number}")
        response = requests.post(f"{address}/api/v1/charts", json=chart, headers={"Prefer": "wait=3"}, timeout=20)
        responses.append((response.status_code, response.json()["status"]))

    waiters = [threading.Thread(target=wait_for_a_chart, args=(number,)) for number in (1, 2)]
    for waiter in waiters:
        waiter.start()
    time.sleep(1)
    web.process.send_signal(signal.SIGTERM)
    assert web.process.wait(20) == 0
    for waiter in waiters:
        waiter.join()
    assert responses == [(202, "queued")] * 2


def test_a_request_that_does_not_end_is_cut_after_the_graceful_timeout(settings: Settings, tmp_path: Path) -> None:
    with (
        processes.serving(replace(settings, web_graceful_timeout_seconds=1), tmp_path) as (web, address),
        socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as client,
    ):
        head = b"POST /api/v1/signals HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        client.sendall(head + b"Content-Length: 10\r\n\r\n{")
        time.sleep(0.5)
        web.process.send_signal(signal.SIGTERM)
        web.process.wait(10)


def test_clients_that_stop_within_a_head_delay_nobody_and_are_disconnected(settings: Settings, tmp_path: Path) -> None:
    parts = [b"", b"GET /hea", b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET"]
    with processes.web(replace(settings, web_head_timeout_seconds=3), tmp_path) as address, ExitStack() as stack:
        port = int(address.rpartition(":")[2])
        clients = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(SLOW_CLIENTS)]
        for number, client in enumerate(clients):
            client.sendall(parts[number % len(parts)])
        for number in range(5):
            body = {"instrument": f"A{number}", "side": "buy", "price": 1}
            # The time limit only tells an answer from none.
            assert requests.post(f"{address}/api/v1/signals", json=body, timeout=2.5).status_code == 201
        for client in clients:
            client.settimeout(20)
            while client.recv(65_536):
                pass


def test_a_server_whose_worker_processes_die_again_and_again_serves_on(serving: tuple[Running, str]) -> None:
    web, address = serving
    for _ in range(4):
        eventually(lambda: len(worker_pids(web)) == WORKERS)
        for pid in worker_pids(web):
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.3)
    eventually(lambda: not is_refused(address))
    eventually(lambda: len(worker_pids(web)) == WORKERS)
    assert readiness(address) == (200, "ready")
    web.process.terminate()
    assert web.process.wait(20) == 0
