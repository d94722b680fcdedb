"""Bodies that never arrive: a client that may not send one, or announces too large a one, is refused without it."""

from __future__ import annotations

import base64
import dataclasses
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from tests import processes
from tests.integration.web.conftest import Server, head, read_responses

THREADS = 4
MANY = 40
TOKEN = "t" * 32
KEY = "k" * 32
SIGNALS = "/api/v1/signals"
BATCH = "/api/v1/signals/batch"
JSON = {"Content-Type": "application/json", "Content-Length": "300"}
TEXT = {"Content-Type": "text/plain", "Content-Length": "300"}
SIGNATURE = "v1," + base64.b64encode(bytes(32)).decode()


def signed(changed: dict[str, str] | None = None, *, age_seconds: float = 0) -> dict[str, str]:
    """Headers of a well-formed but forged signature, with changes."""
    now = str(int(time.time() - age_seconds))
    return JSON | {"webhook-id": "m1", "webhook-timestamp": now, "webhook-signature": SIGNATURE} | (changed or {})


@pytest.fixture(scope="module")
def guarded(valkey: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with few threads that requires keys or signatures."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "signalbox.db").write_bytes(sqlite_template.read_bytes())
    settings = dataclasses.replace(
        Settings(),
        database_url=f"sqlite:///{folder}/signalbox.db",
        redis_url=valkey,
        media_dir=folder / "media",
        api_keys=(f"desk:{TOKEN}",),
        signals_hmac_keys=(f"desk:{KEY}",),
        web_concurrency=1,
        web_threads=THREADS,
    )
    with processes.serving(settings, folder) as (program, address):
        yield Server(int(address.rpartition(":")[2]), program.log)


DESK = {"X-Producer-Id": "desk"}
REFUSED = [
    ("wrong hook", "/api/v1/hooks/hook_wrong", TEXT, 404),
    ("hook of another type", "/api/v1/hooks/hook_wrong", TEXT | {"Content-Type": "text/csv"}, 415),
    ("hook too large", "/api/v1/hooks/hook_wrong", TEXT | {"Content-Length": "99999999"}, 413),
    ("no key", SIGNALS, JSON, 401),
    ("wrong key", BATCH, JSON | {"Authorization": "Bearer wrong"}, 401),
    ("wrong key for bars", "/api/v1/bars/X/1h", JSON | {"Authorization": "Bearer wrong"}, 401),
    ("wrong key for charts", "/api/v1/charts", JSON | {"Authorization": "Bearer wrong"}, 401),
    ("too large", SIGNALS, JSON | {"Authorization": f"Bearer {TOKEN}", "Content-Length": "99999999"}, 413),
    ("not JSON", SIGNALS, TEXT | {"Authorization": f"Bearer {TOKEN}"}, 415),
    ("producer without a form", SIGNALS, signed() | {"X-Producer-Id": "?"}, 422),
    ("producer without a key", SIGNALS, signed() | {"X-Producer-Id": "other"}, 401),
    ("old signature", BATCH, signed(age_seconds=400) | DESK, 401),
    ("signature to come", BATCH, signed(age_seconds=-86_400) | DESK, 401),
    ("no time", BATCH, signed({"webhook-timestamp": "now"}) | DESK, 401),
    ("no id", BATCH, signed({"webhook-id": "a b"}) | DESK, 401),
    ("signature of another version", BATCH, signed({"webhook-signature": "v2," + SIGNATURE[3:]}) | DESK, 401),
    ("short signature", BATCH, signed({"webhook-signature": "v1,AAAA"}) | DESK, 401),
    ("signature that is no base64", BATCH, signed({"webhook-signature": "v1," + "*" * 44}) | DESK, 401),
    ("older signature, not allowed", SIGNALS, JSON | {"X-Signature": "0" * 64} | DESK, 401),
    ("no such path", "/nowhere", JSON, 404),
]


@pytest.mark.parametrize(("path", "headers", "status"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_request_is_refused_before_its_body_arrives(
    guarded: Server, path: str, headers: dict[str, str], status: int
) -> None:
    method = "PUT" if "/bars/" in path else "POST"
    with guarded.connect() as connection:
        connection.settimeout(5)
        connection.sendall(head(method, path, headers))
        responses = read_responses(connection)
    # The connection is closed: nobody could tell where the next request begins.
    assert [response.status for response in responses] == [status]


@pytest.mark.parametrize("case", ["wrong hook", "no key", "short signature"])
def test_refused_clients_occupy_no_thread(guarded: Server, case: str) -> None:
    ((path, headers, _),) = [row[1:] for row in REFUSED if row[0] == case]
    with ExitStack() as stack:
        for _ in range(MANY):
            client = stack.enter_context(guarded.connect())
            client.sendall(head("POST", path, headers))
        with guarded.connect() as healthy:
            healthy.settimeout(5)
            healthy.sendall(head("GET", "/healthz", {"Connection": "close"}))
            assert [response.status for response in read_responses(healthy)] == [200]


def test_a_client_that_sends_its_whole_refused_body_can_read_why(guarded: Server) -> None:
    for size in (300, 30_000, 1_000_000):
        headers = JSON | {"Content-Length": str(size), "Authorization": "Bearer wrong", "Connection": "close"}
        with guarded.connect() as connection:
            connection.sendall(head("POST", BATCH, headers))
            sent: Any = None
            try:
                connection.sendall(bytes(size))
            except ConnectionError as error:
                sent = error
            received = connection.recv(4_096)
        assert received.startswith(b"HTTP/1.1 401"), (size, sent)
