"""Long requests on a real server: exports and waits for charts leave threads for other requests."""

from __future__ import annotations

import json
import socket
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from app.signals.api import export
from benchmarks.ingest_servers import fill
from config import Settings
from tests import processes
from tests.faults.pictures import a_chart
from tests.integration.web.conftest import head, read_response

THREADS = 8
BUDGET = 2
WAITERS = 40
EXPORT = "/api/v1/signals/export.csv"


def with_threads(settings: Settings) -> Settings:
    return replace(settings, web_concurrency=1, web_threads=THREADS)


def connect(address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20)


def test_a_quarter_of_the_threads_waits_for_charts_and_other_requests_do_not_wait(
    sqlite_settings: Settings, tmp_path: Path
) -> None:
    with processes.web(with_threads(sqlite_settings), tmp_path) as address, ExitStack() as stack:
        clients = [stack.enter_context(connect(address)) for _ in range(WAITERS)]
        for number, client in enumerate(clients):
            body = json.dumps(a_chart(f"waiter {number}")).encode()
            headers = {"Content-Type": "application/json", "Prefer": "wait=8", "Content-Length": str(len(body))}
            client.sendall(head("POST", "/api/v1/charts", headers) + body)
        finished: set[int] = set()
        deadline = time.monotonic() + 7
        while len(finished) < WAITERS - BUDGET and time.monotonic() < deadline:
            finished |= {number for number, client in enumerate(clients) if has_response(client)}
            time.sleep(0.05)
        # Those that wait have not been answered yet, and a thread is free for another request.
        assert len(finished) == WAITERS - BUDGET
        assert requests.get(f"{address}/api/v1/signals", timeout=5).status_code == 200
        responses: list[Any] = [read_response(client) for client in clients]
    assert {response.status for response in responses} == {202}
    waited = {number for number, response in enumerate(responses) if "preference-applied" in response.headers}
    assert waited == set(range(WAITERS)) - finished


def has_response(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return bool(client.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False
    finally:
        client.settimeout(20)


def test_exports_over_the_quarter_get_503_with_retry_after(sqlite_settings: Settings, tmp_path: Path) -> None:
    fill(sqlite_settings.sqlalchemy_url, 60_000)
    with processes.web(with_threads(sqlite_settings), tmp_path) as address, ExitStack() as stack:
        for _ in range(BUDGET):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            reader.connect(("127.0.0.1", int(address.rpartition(":")[2])))
            reader.sendall(head("GET", EXPORT, {}))
            # It has begun, and is too large for all buffers together.
            assert reader.recv(12) == b"HTTP/1.1 200"
        refused = requests.get(f"{address}{EXPORT}", timeout=5)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
        assert int(refused.headers["Retry-After"]) > 0
        chart = requests.post(f"{address}/api/v1/charts", json=a_chart("x"), headers={"Prefer": "wait=10"}, timeout=5)
        assert (chart.status_code, "Preference-Applied" in chart.headers) == (202, False)
        stack.close()
        deadline = time.monotonic() + 20
        while requests.get(f"{address}{EXPORT}", params={"producer": "nobody"}, timeout=5).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_an_export_that_fails_half_way_says_so_in_its_last_line(
    sqlite_settings: Settings, tmp_path: Path, kind: str
) -> None:
    """A server may end a failed response like a complete one."""
    fill(sqlite_settings.sqlalchemy_url, 60_000)
    with processes.web(with_threads(sqlite_settings), tmp_path) as address, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        reader.connect(("127.0.0.1", int(address.rpartition(":")[2])))
        reader.settimeout(20)
        reader.sendall(head("GET", f"/api/v1/signals/export.{kind}", {"Connection": "close"}))
        received = reader.recv(12)
        with closing(sqlite3.connect(sqlite_settings.sqlalchemy_url.removeprefix("sqlite:///"))) as database:
            database.execute("ALTER TABLE signals RENAME TO gone")
        while chunk := reader.recv(1 << 20):
            received += chunk
    lines = received.partition(b"\r\n\r\n")[2].removesuffix(b"0\r\n\r\n").strip().splitlines()
    assert received.startswith(b"HTTP/1.1 200")
    assert 1_000 < len(lines) < 60_000
    assert export.FAILURE.encode() in lines[-1]
