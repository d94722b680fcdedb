"""The modules of the launcher, each by itself."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from PIL import Image, ImageDraw

from config import Settings
from launcher import arguments, demo, environment, group, leftovers, picture, ports, proxy, samples, schema
from launcher.api import ApiClient
from launcher.refusal import Refusal
from tests.integration.launcher.checkouts import wait_for
from tests.processes import free_port

DAY = 86_400_000


def some_bars(rows: int = 40, lowest: int = 20) -> dict[str, Any]:
    """Daily bars that fall until row `lowest` and rise after it."""
    closes = [100.0 + abs(row - lowest) for row in range(rows)]
    return {"time": [row * DAY for row in range(rows)], "close": closes, "low": [close - 1 for close in closes]}


def a_png(width: int = 60, height: int = 40, lines: int = 20) -> bytes:
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for row in range(lines):
        draw.line((0, row, width, row), fill=(row * 9, 255 - row * 9, 40))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "name"),
    [("Signals.Example.COM", "signals.example.com"), ("x--y.example.", "x--y.example"), ("localhost", "localhost")],
)
def test_a_host_name_becomes_lower_case(text: str, name: str):
    assert arguments.host_name(text) == name


@pytest.mark.parametrize(
    "text",
    ["", ".", "signals", "a..example", "-a.example", "a-.example", "a_b.example", "a b.example", "a.example:443",
     "https://a.example", "192.0.2.7", "::1", "*.example", "{$HOME}.example", "b\u00fccher.example", "a.example\n",
     f"{'a' * 64}.example", ".".join(["a" * 60] * 5)],
)  # fmt: skip
def test_a_text_that_is_not_a_host_name_is_refused(text: str):
    with pytest.raises(argparse.ArgumentTypeError):
        arguments.host_name(text)


KEYS = {"API_KEYS": f"me:{'k' * 32}"}


def free_proxy_ports() -> dict[str, str]:
    return {name: str(free_port()) for name in proxy.PORTS}


def test_with_a_domain_the_web_server_trusts_the_proxy_on_this_machine():
    plan = environment.prepare(KEYS | free_proxy_ports(), "signals.example.com")
    assert plan.variables["TRUSTED_PROXIES"] == "127.0.0.1/32,::1/128"
    assert plan.variables["PROXY_UPSTREAM"] == f"127.0.0.1:{plan.variables['PORT']}"
    assert proxy.address({"DOMAIN": "signals.example.com", "PROXY_HTTPS_PORT": "443"}) == "https://signals.example.com"
    assert "TRUSTED_PROXIES" not in environment.prepare({}).variables


def test_a_domain_without_a_key_is_refused_and_the_error_shows_a_command_with_a_key():
    with pytest.raises(Refusal, match=r"API_KEYS=me:[\w-]{43} \./run --domain signals\.example\.com"):
        environment.prepare(free_proxy_ports(), "signals.example.com")


@pytest.mark.parametrize("name", proxy.PORTS)
def test_the_error_names_a_port_of_the_proxy_that_is_in_use(name: str):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        in_use = {name: str(holder.getsockname()[1])}
        with pytest.raises(Refusal, match=f"port {in_use[name]} is in use: --domain needs it"):
            environment.prepare(KEYS | free_proxy_ports() | in_use, "signals.example.com")


def test_a_privileged_port_is_refused_and_the_error_says_how_to_allow_it(monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object) -> None:
        raise PermissionError

    chosen = KEYS | free_proxy_ports()
    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(Refusal, match=r"may not listen there\. Allow it with: sudo sysctl -w "):
        proxy.variables("signals.example.com", "8000", chosen)


def test_a_port_with_a_listener_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        assert not ports.is_free(port)
        assert ports.free_port(port) != port
    assert ports.is_free(port)


def test_the_callers_variables_come_first_also_from_a_file():
    plan = environment.prepare({"REDIS_URL_FILE": "/run/secrets/redis", "OMP_NUM_THREADS": "4", "LOG_LEVEL": "DEBUG"})
    assert not plan.starts_redis
    assert "REDIS_URL" not in plan.variables
    assert plan.variables["OMP_NUM_THREADS"] == "4"
    assert plan.variables["LOG_LEVEL"] == "DEBUG"


def test_an_empty_environment_gets_all_variables_that_the_servers_need():
    plan = environment.prepare({})
    assert plan.starts_redis
    assert plan.variables["REDIS_URL"].startswith("redis://127.0.0.1:")
    assert plan.variables["PATH"].endswith("/bin")
    assert int(plan.variables["PORT"]) > 0


def test_the_client_uses_the_services_address_and_its_first_key():
    keys = (f"one:{'1' * 32}", f"two:{'2' * 32}")
    everywhere = ApiClient.of(Settings(web_host="0.0.0.0", port=8123, api_keys=keys))  # noqa: S104 - nothing is bound
    assert (everywhere.address, everywhere.token) == ("http://127.0.0.1:8123", "1" * 32)
    assert ApiClient.of(Settings(web_host="10.0.0.7")).address == "http://10.0.0.7:8000"


def test_web_and_worker_write_metrics_to_separate_folders():
    plan = environment.prepare({})
    folders = [plan.variables_of(name)["PROMETHEUS_MULTIPROC_DIR"] for name in ("web", "worker")]
    assert len(set(folders)) == len(folders)


def test_the_two_workers_share_a_metrics_folder_and_one_of_them_serves_it():
    plan = environment.prepare({})
    worker, events = plan.variables_of("worker"), plan.variables_of("events")
    assert worker["PROMETHEUS_MULTIPROC_DIR"] == events["PROMETHEUS_MULTIPROC_DIR"]
    assert int(worker["WORKER_METRICS_PORT"]) > 0
    assert events["WORKER_METRICS_PORT"] == "0"


def test_the_demo_buys_the_lowest_close_with_the_stop_below_and_the_targets_above():
    signal = json.loads(demo.compose(some_bars(), uuid4()))
    assert (signal["price"], signal["time"]) == ("100.0", 20 * DAY)
    assert signal["payload"]["stop_loss"] < 99
    first, second = signal["payload"]["take_profit"]
    assert 100 < first < second


def test_two_demos_differ_in_all_that_deduplication_and_charts_compare():
    first, second = (json.loads(demo.compose(some_bars(), UUID(int=number))) for number in (1 << 64, (1 << 120) + 7))
    assert first["external_id"] != second["external_id"]
    assert first["version"] != second["version"]
    assert len(first["version"]) <= 20
    assert first["payload"]["stop_loss"] != second["payload"]["stop_loss"]


@pytest.mark.parametrize("rows", [1, 3, 9, 40])
def test_a_demo_needs_one_bar_only(rows: int):
    assert json.loads(demo.compose(some_bars(rows, 0), uuid4()))["time"] == 0


def test_a_complete_image_of_the_right_size_passes():
    picture.check(a_png(), 60, 40)


@pytest.mark.parametrize(
    ("png", "reason"),
    [
        (b"GIF89a", "not a PNG"),
        (a_png(61), "61 x 40 pixels"),
        (a_png()[:-40], "does not decode"),
        (a_png()[:60] + b"\0\0\0\0" + a_png()[64:], "does not decode"),
        (a_png(lines=0), "shows nothing"),
    ],
)
def test_an_image_that_is_not_the_chart_is_refused(png: bytes, reason: str):
    with pytest.raises(Refusal, match=reason):
        picture.check(png, 60, 40)


def test_a_process_in_another_folder_is_not_ours(tmp_path: Path):
    # Its command line matches, but its working directory is elsewhere.
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "app.server"], cwd=tmp_path)
    try:
        assert not leftovers.is_ours("web", process.pid)
        assert not leftovers.is_ours("web", os.getpid())
    finally:
        process.kill()
        process.wait()
    assert not leftovers.is_ours("web", process.pid)


def test_a_server_of_this_checkout_is_recognised_by_its_command_line():
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "app.server"])
    try:
        wait_for("its command line", lambda: leftovers.is_ours("web", process.pid), 5)
        assert not leftovers.is_ours("worker", process.pid)
    finally:
        process.kill()
        process.wait()


def test_a_process_that_ignores_sigterm_is_killed():
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        leftovers.end([process.pid], timeout_seconds=0.3)
        assert process.wait(5) == -9
        assert time.monotonic() - began < 5


def test_the_last_error_is_the_exception_at_the_end_of_a_traceback():
    traceback = "Traceback (most recent call last):\n  File x, line 1\nValueError: no such table\n more\n(see)\n"
    assert schema.last_error(f"a log line\n{traceback}") == "ValueError: no such table"
    assert schema.last_error("one\nDATABASE_URL: no\n\n") == "DATABASE_URL: no"


def test_the_tail_of_a_log_holds_its_last_lines(tmp_path: Path):
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n\n" for number in range(10_000)))
    assert group.tail(log) == tuple(f"line {number}" for number in range(9_992, 10_000))


def test_the_procfile_names_exactly_the_processes_that_are_stopped_in_order():
    assert set(group.commands()) == {name for names in leftovers.ORDER for name in names}


def test_sample_files_name_their_instrument_and_timeframe():
    files = {(sample.instrument, sample.timeframe) for sample in samples.samples()}
    assert {("AAPL", "1d"), ("MSFT", "1d"), ("GOOG", "1d")} <= files


@pytest.mark.parametrize("number", group.ENDING)
def test_an_interrupt_while_a_process_starts_leaves_none_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """The signal arrives after the process has started and before its pid file is written."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            signal.raise_signal(number)

    monkeypatch.setattr(group, "LOGS", tmp_path)
    monkeypatch.setattr(leftovers, "PIDS", tmp_path)
    servers = group.Group(verbose=False)
    monkeypatch.setattr(servers, "_commands", {"beat": "exec sleep 60"})
    handlers = {each: signal.signal(each, interrupt) for each in group.ENDING}
    try:
        with monkeypatch.context() as patched:
            patched.setattr(subprocess, "Popen", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                servers.start("beat", {"PATH": os.environ["PATH"]})
    finally:
        for each, handler in handlers.items():
            signal.signal(each, handler)
    process = servers._running["beat"]
    assert leftovers.read_pid(tmp_path / "beat.pid") == process.pid
    servers.stop()
    assert process.returncode == -signal.SIGTERM
