"""A full disk, and a cleaner at work while images are drawn and read."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from app.charts.models import Chart
from app.media.store import TEMPORARY_PREFIX
from app.resources import Resources
from app.shared.clock import utc_now
from config import Settings
from tests import processes
from tests.faults import promises
from tests.faults.conftest import Results
from tests.faults.ledger import FINAL, Ledger, Load
from tests.faults.pictures import ask

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of 512 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.faults_quick
def test_a_full_disk_fails_charts_with_its_reason_and_signals_are_taken_all_the_while(
    settings: Settings,
    resources: Resources,
    ledger: Ledger,
    results: Results,
    seed: int,
    tmp_path: Path,
    small_disk: Path,
) -> None:
    settings = replace(settings, media_dir=small_disk / "media", charts_max_attempts=2)
    resources = Resources.build(settings)
    filler = small_disk / "filler"
    with (
        processes.web(settings, tmp_path) as address,
        processes.worker(settings, tmp_path),
        processes.beat(settings, tmp_path),
    ):
        (kept,) = ask(address, ["while there is room"])
        promises.quiet(resources, 30)
        with filler.open("wb") as file:
            while _written(file.fileno()):
                pass
        asked = ask(address, (f"no room {number}" for number in range(6)))
        Load(ledger, [address], threads=4, seed=seed).post(40)
        promises.quiet(resources, 60)
        assert promises.charts_done(resources, asked) == Counter(failed=6)
        with resources.database.reading() as session:
            reasons = {session.get_one(Chart, chart).error for chart in asked}
        assert reasons == {"storage: No space left on device"}
        assert not list(settings.media_dir.rglob(f"{TEMPORARY_PREFIX}*"))
        promises.media_whole(resources)
        filler.unlink()
        assert ask(address, (f"no room {number}" for number in range(6))) == asked
        seconds = promises.quiet(resources, 60)
    assert promises.charts_done(resources, [kept, *asked]) == Counter(ready=7)
    promises.media_whole(resources)
    verdict = promises.signals_kept(resources, ledger.entries(), FINAL)
    resources.close()
    results.add("disk full", "80 posts, 6 charts", verdict, seconds, "failed: storage; drawn when asked again")


def test_images_are_whole_or_absent_while_the_cleaner_works_beside_drawing_and_reading(
    settings: Settings, resources: Resources, results: Results, seed: int, tmp_path: Path
) -> None:
    settings = replace(settings, cleanup_interval_seconds=0.5, media_quota_bytes=40_000, media_ttl_seconds=1)
    titles = [f"cleaned {number}" for number in range(24)]
    seen: Counter[int] = Counter()
    broken: list[str] = []
    ended = threading.Event()
    with (
        processes.web(settings, tmp_path) as address,
        processes.worker(settings, tmp_path),
        processes.beat(settings, tmp_path),
    ):
        asked = ask(address, titles)
        readers = [
            threading.Thread(target=_read, args=(address, asked, seed + number, ended, seen, broken))
            for number in range(3)
        ]
        for reader in readers:
            reader.start()
        chance = random.Random(seed)
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            _expire(resources, chance.sample(asked, 4))
            ask(address, chance.sample(titles, 8))
            time.sleep(0.1)
        ended.set()
        for reader in readers:
            reader.join()
        promises.quiet(resources, 60)
        seconds = promises.eventually(lambda: None if promises.media_faults(resources) else True, 30)
    assert not broken, broken[:5]
    assert set(seen) <= {200, 202, 304, 410}, seen
    assert seen[200] > 20
    assert seen[410] + seen[202] > 5, "the cleaner did nothing"
    promises.charts_done(resources, asked)
    told = ", ".join(f"{many} times {status}" for status, many in sorted(seen.items()))
    results.add("clean-up twice a second while drawing and reading", f"24 charts, {told}", None, seconds, "all whole")


def _read(
    address: str, charts: list[str], seed: int, ended: threading.Event, seen: Counter[int], broken: list[str]
) -> None:
    chance = random.Random(seed)
    with requests.Session() as session:
        while not ended.is_set():
            chart = chance.choice(charts)
            answer = session.get(f"{address}/api/v1/charts/{chart}.png", timeout=20)
            seen[answer.status_code] += 1
            if (
                answer.status_code == 200
                and answer.headers["ETag"].strip('"') != hashlib.sha256(answer.content).hexdigest()
            ):
                broken.append(chart)


def _expire(resources: Resources, charts: list[str]) -> None:
    with resources.database.transaction() as session:
        for chart in charts:
            row = session.get_one(Chart, chart)
            if row.status == "ready":
                row.expires_at = utc_now()


def _written(descriptor: int) -> int:
    try:
        return os.write(descriptor, b"\0" * 4_096)
    except OSError:
        return 0
