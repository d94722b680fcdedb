"""The programs of a container whose root is read-only and that has no writable /tmp: `docker run --read-only`."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from config import ROOT, Settings
from tests import processes

# The folder is a mount of its own, so it stays writable.
WITHOUT_TMP = """
set -e
mount --bind "$1" "$1"
for folder in / /tmp /var/tmp; do
    if mountpoint -q $folder; then mount -o remount,bind,ro $folder; fi
done
cd /
shift
exec "$@"
"""
METRICS = "/tmp/signalbox-none/metrics"
CACHE = "/tmp/signalbox-none/matplotlib"


def read_only(writable: Path, *command: str) -> list[str]:
    """A command line that runs `command` in mounts of its own, with one writable folder."""
    return ["unshare", "--mount", "sh", "-c", WITHOUT_TMP, "sh", str(writable), *command]


@functools.cache
def cannot_mount(folder: Path) -> bool:
    if shutil.which("unshare") is None:
        return True
    return subprocess.run(read_only(folder, "true"), check=False, capture_output=True).returncode != 0


@pytest.fixture
def writable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if cannot_mount(tmp_path_factory.getbasetemp()):
        pytest.skip("needs root, and the right to mount")
    return tmp_path_factory.mktemp("writable")


@pytest.fixture
def settings(valkey: str) -> Settings:
    return Settings(redis_url=valkey)


def environment(settings: Settings, folder: Path) -> dict[str, str]:
    database = f"sqlite:///{folder / 'signalbox.db'}"
    changed = replace(settings, database_url=database, media_dir=folder / "media", prometheus_multiproc_dir=METRICS)
    return {
        **processes.environment(changed),
        "MPLCONFIGDIR": CACHE,
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(folder: Path, settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        read_only(folder, sys.executable, "-m", *arguments),
        env=environment(settings, folder),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@contextmanager
def web_server(folder: Path, settings: Settings) -> Iterator[tuple[str, Path]]:
    """The web server's address and log."""
    settings = replace(settings, port=processes.free_port())
    address, log = f"http://127.0.0.1:{settings.port}", folder / "web.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            read_only(folder, sys.executable, "-m", "app.server"),
            env=environment(settings, folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        processes._wait_until(lambda: processes._responds(f"{address}/healthz"), processes.Running(process, log))
        yield address, log
    finally:
        processes._stop(process)


@pytest.mark.parametrize(
    "command",
    [
        ("celery", "-A", "worker.celery_app", "worker"),
        ("celery", "-A", "worker.celery_app", "beat"),
        ("flask", "--app", "wsgi", "charts", "render", "spec.json", "-o", "x.png"),
    ],
)
def test_a_program_that_needs_matplotlib_ends_with_one_line_that_says_what_to_do(
    command: tuple[str, ...], writable: Path, settings: Settings
) -> None:
    ended = run(writable, settings, *command)
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).splitlines()
    assert line.startswith(f"MPLCONFIGDIR: {CACHE} ")
    assert "mount a tmpfs at /tmp" in line


def test_the_database_is_migrated_and_signals_are_taken_without_shared_metrics(
    writable: Path, settings: Settings
) -> None:
    migrated = run(writable, settings, "flask", "--app", "wsgi", "db", "upgrade")
    assert migrated.returncode == 0, migrated.stderr
    with web_server(writable, settings) as (address, log):
        for number in range(20):
            signal = {"instrument": f"RO{number}", "side": "buy", "price": "1"}
            assert requests.post(f"{address}/api/v1/signals", json=signal, timeout=5).status_code == 201
        assert requests.get(f"{address}/metrics", timeout=5).status_code == 200
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (complaint,) = [line for line in lines if line["event"] == "metrics_not_shared"]
    assert (complaint["setting"], complaint["folder"]) == ("PROMETHEUS_MULTIPROC_DIR", METRICS)
    assert "mount a tmpfs at /tmp" in complaint["remedy"]
