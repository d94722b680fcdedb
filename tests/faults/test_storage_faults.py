"""A full disk of the database: signals and /readyz get 503, and both recover when there is room again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import sqlalchemy as sa

from app.shared.db import Database
from config import Settings
from tests import processes
from tests.databases import migrate
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.servers import Cluster

pytestmark = [pytest.mark.faults, pytest.mark.faults_quick]

TEXT = "".join(map(str, range(5_000)))


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A temporary file system of this size."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill all free blocks with a file. Returns its path."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            with suppress(OSError):
                while True:
                    file.write(b"\0" * size)
    assert os.statvfs(folder).f_bavail == 0
    return filler


def post(address: str) -> int:
    signal = {"instrument": uuid4().hex, "side": "buy", "price": "1.1", "payload": {"text": TEXT}}
    return requests.post(f"{address}/api/v1/signals", json=signal, timeout=20).status_code


def readiness(address: str) -> tuple[int, str, str]:
    response = requests.get(f"{address}/readyz", timeout=10)
    state = response.json()
    return response.status_code, state["status"], state["checks"]["database"]["status"]


def refused_and_recovered(settings: Settings, disk: Path, folder: Path) -> float:
    """Fill the disk under a running server, then free it. Returns seconds until the server is ready again."""
    with processes.web(settings, folder) as address:
        assert post(address) == 201
        assert readiness(address) == (200, "ready", "ok")
        filler = fill(disk)
        promises.eventually(lambda: (post(address) == 503) or None, 20)
        assert readiness(address) == (503, "unavailable", "failed")
        promises.eventually(lambda: (post(address) == 503) or None, 20)
        # The server has tried a write again, still without room.
        promises.eventually(lambda: "storage_failed" in (folder / "web.log").read_text() or None, 5)
        for _ in range(3):
            assert readiness(address) == (503, "unavailable", "failed")
        filler.unlink()
        seconds = promises.eventually(lambda: (readiness(address) == (200, "ready", "ok")) or None, 15)
        assert post(address) == 201
    return seconds


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, web_concurrency=1)


def test_a_full_disk_of_sqlite_makes_the_server_unavailable_until_there_is_room(
    settings: Settings, sqlite_template: Path, results: Results, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        shutil.copy(sqlite_template, disk / "signalbox.db")
        on_disk = replace(settings, database_url=f"sqlite:///{disk}/signalbox.db")
        seconds = refused_and_recovered(on_disk, disk, tmp_path)
    results.add("SQLite's disk full", "single posts", None, seconds, "/readyz 503 until there is room")


def test_a_full_disk_of_sqlite_is_detected_before_any_signal_is_refused(
    settings: Settings, sqlite_template: Path, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "2m") as disk:
        shutil.copy(sqlite_template, disk / "signalbox.db")
        on_disk = replace(settings, database_url=f"sqlite:///{disk}/signalbox.db")
        with processes.web(on_disk, tmp_path) as address:
            fill(disk)
            assert readiness(address) == (503, "unavailable", "failed")


def test_a_full_disk_of_postgresql_makes_the_server_unavailable_until_there_is_room(
    settings: Settings, whole_cluster: Cluster, results: Results, tmp_path: Path
) -> None:
    with small_database(whole_cluster) as (url, disk):
        seconds = refused_and_recovered(replace(settings, database_url=url), disk, tmp_path)
    results.add("PostgreSQL's disk full", "single posts", None, seconds, "/readyz 503 until there is room")


@contextmanager
def small_database(cluster: Cluster) -> Iterator[tuple[str, Path]]:
    """A database whose tables are on a small disk. The WAL is on another disk: without room for it the server stops."""
    folder = Path(tempfile.mkdtemp(prefix="signalbox-small-disk-"))
    folder.chmod(0o755)
    with mounted(folder, "24m") as disk:
        tables = disk / "tables"
        tables.mkdir()
        owner = cluster.owner()
        os.chown(tables, *owner)
        tables.chmod(0o700)
        server = sa.create_engine(cluster.url, isolation_level="AUTOCOMMIT")
        url = sa.make_url(cluster.url).set(database="small").render_as_string(hide_password=False)
        with server.connect() as connection:
            connection.execute(sa.text(f"CREATE TABLESPACE small LOCATION '{tables}'"))
            connection.execute(sa.text("CREATE DATABASE small TABLESPACE small"))
            try:
                database = Database(url, timeout_seconds=60)
                migrate(database)
                database.dispose()
                yield url, disk
            finally:
                connection.execute(sa.text("DROP DATABASE small WITH (FORCE)"))
                connection.execute(sa.text("DROP TABLESPACE small"))
        server.dispose()
    folder.rmdir()
