"""Starts the real programs for the tests, waits until they are ready, and stops them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path

from config import ROOT, Settings

START_SECONDS = 60
STOP_SECONDS = 40
ALL_QUEUES = "events,charts,webhooks,maintenance"


@dataclass(frozen=True)
class Running:
    """A program in a process group of its own, and its log."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Kill the process group at once, like a power failure."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    """A port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(settings: Settings) -> dict[str, str]:
    """The settings as environment variables for a child process, without variables of this process."""
    changed = {
        item.name.upper(): getattr(settings, item.name)
        for item in fields(settings)
        if getattr(settings, item.name) != item.default
    }
    texts = {name: ",".join(value) if isinstance(value, tuple) else str(value) for name, value in changed.items()}
    return {"PATH": os.environ["PATH"], "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **texts}


@contextmanager
def running(
    name: str, arguments: list[str], env: dict[str, str], folder: Path, ready: Callable[[str], bool]
) -> Iterator[Running]:
    """Run `python -m arguments` during the block, which starts when `ready`, called with the log, returns true."""
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    program = Running(process, log)
    try:
        _wait_until(lambda: ready(log.read_text()), program)
        yield program
    finally:
        _stop(process)


@contextmanager
def web(settings: Settings, folder: Path) -> Iterator[str]:
    """A real web server with these settings. Yields its address."""
    with serving(settings, folder) as (_, address):
        yield address


@contextmanager
def serving(settings: Settings, folder: Path, name: str = "web") -> Iterator[tuple[Running, str]]:
    """A real web server with these settings. Yields its process and its address."""
    settings = replace(settings, port=free_port())
    address = f"http://127.0.0.1:{settings.port}"
    arguments = ["app.server"]
    with running(name, arguments, environment(settings), folder, lambda _: _responds(f"{address}/healthz")) as program:
        yield program, address


@contextmanager
def worker(settings: Settings, folder: Path, name: str = "worker", queues: str = ALL_QUEUES) -> Iterator[Running]:
    """A real worker with these settings. `queues` is a comma-separated list."""
    arguments = ["celery", "-A", "worker.celery_app", "worker", "--queues", queues]
    arguments += ["--without-gossip", "--without-mingle", "--hostname", f"{name}-{os.getpid()}@%h"]
    with running(name, arguments, environment(settings), folder, lambda log: " ready." in log) as program:
        yield program


@contextmanager
def beat(settings: Settings, folder: Path, name: str = "beat") -> Iterator[Running]:
    """A real beat with these settings."""
    arguments = ["celery", "-A", "worker.celery_app", "beat", "--schedule", str(folder / f"{name}-schedule")]
    with running(name, arguments, environment(settings), folder, lambda log: "beat: Starting" in log) as program:
        yield program


def _responds(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:  # noqa: S310 - loopback
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _wait_until(ready: Callable[[], bool], program: Running) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if program.process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"did not start:\n{program.log.read_text()}")
        time.sleep(0.05)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM and wait, then kill the rest of the process group."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
