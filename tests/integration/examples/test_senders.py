"""Runs the programs in examples/ as users would, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from config import ROOT, Settings
from tests import processes

EXAMPLES = ROOT / "examples"
KEY = "a-key-for-the-test-of-the-examples-folder"
ENCODED = "whsec_YSBrZXkgb2YgdGhlIGV4YW1wbGVzIHdpdGggYnl0ZXMg/wDDKA=="
needs_shell_tools = pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="the example uses curl and openssl"
)


@pytest.fixture(scope="module", params=[KEY, ENCODED], ids=["text", "whsec"])
def settings(
    request: pytest.FixtureRequest, valkey: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder = tmp_path_factory.mktemp("senders")
    shutil.copy(sqlite_template, folder / "signalbox.db")
    return Settings(
        database_url=f"sqlite:///{folder / 'signalbox.db'}",
        redis_url=valkey,
        media_dir=folder / "media",
        signals_hmac_enabled=True,
        signals_hmac_key=request.param,
        signals_schemas_ttl_seconds=0,
        web_concurrency=1,
        redis_timeout_seconds=2,
        database_timeout_seconds=10,
    )


@pytest.fixture(scope="module")
def address(settings: Settings) -> Iterator[str]:
    """One real server for all tests. Each test uses an instrument of its own."""
    with Redis.from_url(settings.redis_url) as client:
        client.flushall()
    with processes.web(settings, settings.media_dir.parent) as address:
        yield address


def run(address: str, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "SIGNALBOX": address, **variables}
    return subprocess.run(command, env=env, cwd=EXAMPLES, capture_output=True, text=True, timeout=60, check=False)


def flask(settings: Settings, *words: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", *words],
        env=processes.environment(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def send(url: str, body: str | None = None, kind: str = "text/plain") -> tuple[int, Any]:
    """Send a GET, or a POST with this body. Returns status and document."""
    data = None if body is None else body.encode()
    request = urllib.request.Request(url, data, {"Content-Type": kind})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - same
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def signals(address: str, instrument: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = send(f"{address}/api/v1/signals?instrument={instrument}")[1]["signals"]
    return items


@needs_shell_tools
def test_the_shell_example_posts_one_signed_signal_and_may_repeat_it(address: str, settings: Settings) -> None:
    command = ("./post_signal.sh", "AAPL", "buy", "187.20", "msg_1")
    first, again = (run(address, *command, SIGNALS_HMAC_KEY=settings.signals_hmac_key) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, "stored as a new signal, message msg_1\n"), first.stderr
    assert (again.returncode, again.stdout) == (0, "stored already, message msg_1\n"), again.stderr
    (signal,) = signals(address, "AAPL")
    assert (signal["instrument"], signal["price"], signal["signed"]) == ("AAPL", "187.20", True)
    assert (signal["external_id"], signal["producer_id"]) == ("msg_1", "desk-1")


@needs_shell_tools
def test_the_exit_code_of_the_shell_example_separates_refusals_from_temporary_failures(address: str) -> None:
    refused = run(address, "./post_signal.sh", "AAPL", "buy", "187.20", SIGNALS_HMAC_KEY="wrong")
    assert (refused.returncode, refused.stderr.rpartition("refused")[2]) == (1, " (status 401)\n")
    nobody = f"http://127.0.0.1:{processes.free_port()}"
    assert run(nobody, "./post_signal.sh", "AAPL", "buy", "187.20").returncode == 2


def test_the_python_example_posts_one_signed_signal(address: str, settings: Settings) -> None:
    command = ("post_signal.py", "MSFT", "sell", "401.5", "--stop-loss", "410", "--take-profit", "390", "380")
    ran = run(address, sys.executable, *command, SIGNALS_HMAC_KEY=settings.signals_hmac_key)
    assert ran.returncode == 0, ran.stderr
    (signal,) = signals(address, "MSFT")
    assert signal == json.loads(ran.stdout)
    assert (signal["instrument"], signal["side"], signal["signed"]) == ("MSFT", "sell", True)
    assert signal["payload"] == {"stop_loss": "410", "take_profit": ["390", "380"]}


def test_the_python_example_does_not_repeat_a_refused_request(address: str) -> None:
    ran = run(address, sys.executable, "post_signal.py", "MSFT", "sell", "401.5", SIGNALS_HMAC_KEY="wrong")
    assert ran.returncode == 1
    assert json.loads(ran.stdout)["status"] == 401


FILLED_IN = {
    "{{exchange}}": "FX",
    "{{ticker}}": "EURUSD",
    "{{strategy.order.action}}": "buy",
    "{{strategy.order.price}}": "1.0712",
    "{{timenow}}": "2026-03-02T12:00:01Z",
    "{{interval}}": "60",
    "{{strategy.order.comment}}": "entry",
    "{{strategy.market_position}}": "long",
    "{{strategy.order.contracts}}": "1000",
}


def test_a_hook_accepts_the_alert_of_the_example(address: str, settings: Settings) -> None:
    url = flask(settings, "hooks", "create", "--producer", "tradingview", "--strip-exchange", "--url", address).strip()
    message = (EXAMPLES / "tradingview_alert.json").read_text()
    for word, value in FILLED_IN.items():
        assert word in message
        message = message.replace(word, value)
    assert "{{" not in message
    for expected, duplicate in ((201, False), (200, True)):
        status, document = send(url, message, "application/json; charset=utf-8")
        assert (status, document["duplicate"]) == (expected, duplicate)
    (signal,) = signals(address, "EURUSD")
    assert (signal["producer_id"], signal["instrument"], signal["side"]) == ("tradingview", "EURUSD", "buy")
    assert (signal["price"], signal["time"]) == ("1.0712", "2026-03-02T12:00:01Z")
    assert signal["payload"]["timeframe"] == "1h"
    assert signal["payload"]["strategy"] == "SuperTrend 1h"
    log = (settings.media_dir.parent / "web.log").read_text()
    assert "/api/v1/hooks/<token>" in log
    assert url.rpartition("/")[2] not in log


def test_the_schema_of_the_example_is_accepted_and_applied(address: str, settings: Settings) -> None:
    flask(settings, "schemas", "add", "bot", "2", str(EXAMPLES / "payload_schema.json"))
    url = flask(settings, "hooks", "create", "--producer", "bot", "--url", address).strip()
    text = "symbol: A\nside: buy\nprice: 1\nversion: 2\nstrategy: Loud\n"
    status, document = send(url, text)
    assert (status, {error["pointer"] for error in document["errors"]}) == (422, {"/stop_loss", "/strategy"})
