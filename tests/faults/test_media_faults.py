"""A full disk, and the cleanup while images are drawn and read."""

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
from tests.faults.pictures import request_charts

pytestmark = pytest.mark.faults


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root may mount a file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.faults_quick
def test_a_full_disk_fails_charts_with_a_reason_while_signals_are_accepted(
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
        (first_id,) = request_charts(address, ["while there is room"])
        promises.wait_until_idle(resources, 30)
        with filler.open("wb") as file:
            while _written(file.fileno()):
                pass
        chart_ids = request_charts(address, (f"no room {number}" for number in range(6)))
        Load(ledger, [address], threads=4, seed=seed).post(40)
        promises.wait_until_idle(resources, 60)
        assert promises.check_charts(resources, chart_ids) == Counter(failed=6)
        with resources.database.reading() as session:
            reasons = {session.get_one(Chart, chart).error for chart in chart_ids}
        assert reasons == {"storage: No space left on device"}
        assert not list(settings.media_dir.rglob(f"{TEMPORARY_PREFIX}*"))
        promises.check_media(resources)
        filler.unlink()
        assert request_charts(address, (f"no room {number}" for number in range(6))) == chart_ids
        seconds = promises.wait_until_idle(resources, 60)
    assert promises.check_charts(resources, [first_id, *chart_ids]) == Counter(ready=7)
    promises.check_media(resources)
    outcome = promises.check_signals(resources, ledger.entries(), FINAL)
    resources.close()
    results.add("disk full", "80 posts, 6 charts", outcome, seconds, "failed: storage; drawn when requested again")


def test_images_are_complete_or_absent_while_the_cleanup_runs_during_drawing_and_reading(
    settings: Settings, resources: Resources, results: Results, seed: int, tmp_path: Path
) -> None:
    settings = replace(settings, cleanup_interval_seconds=0.5, media_quota_bytes=40_000, media_ttl_seconds=1)
    titles = [f"cleaned {number}" for number in range(24)]
    statuses: Counter[int] = Counter()
    broken: list[str] = []
    ended = threading.Event()
    with (
        processes.web(settings, tmp_path) as address,
        processes.worker(settings, tmp_path),
        processes.beat(settings, tmp_path),
    ):
        chart_ids = request_charts(address, titles)
        readers = [
            threading.Thread(target=_read, args=(address, chart_ids, seed + number, ended, statuses, broken))
            for number in range(3)
        ]
        for reader in readers:
            reader.start()
        rng = random.Random(seed)
        deadline = time.monotonic() + 12
        while time.monotonic() < deadline:
            _expire(resources, rng.sample(chart_ids, 4))
            request_charts(address, rng.sample(titles, 8))
            time.sleep(0.1)
        ended.set()
        for reader in readers:
            reader.join()
        promises.wait_until_idle(resources, 60)
        seconds = promises.eventually(lambda: None if promises.media_errors(resources) else True, 30)
    assert not broken, broken[:5]
    assert set(statuses) <= {200, 202, 304, 410}, statuses
    assert statuses[200] > 20
    assert statuses[410] + statuses[202] > 5, "the cleanup did nothing"
    promises.check_charts(resources, chart_ids)
    counts = ", ".join(f"{number} times {status}" for status, number in sorted(statuses.items()))
    results.add(
        "cleanup twice a second while drawing and reading", f"24 charts, {counts}", None, seconds, "all complete"
    )


def _read(
    address: str, charts: list[str], seed: int, ended: threading.Event, statuses: Counter[int], broken: list[str]
) -> None:
    rng = random.Random(seed)
    with requests.Session() as session:
        while not ended.is_set():
            chart = rng.choice(charts)
            response = session.get(f"{address}/api/v1/charts/{chart}.png", timeout=20)
            statuses[response.status_code] += 1
            if (
                response.status_code == 200
                and response.headers["ETag"].strip('"') != hashlib.sha256(response.content).hexdigest()
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
