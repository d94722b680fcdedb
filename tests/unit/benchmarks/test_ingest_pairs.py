"""The comparison of checkouts: bursts that other programs disturb do not change the ratio."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path

import pytest

from benchmarks.ingest_pairs import Child, compare

ECHO = "import sys\nfor line in sys.stdin: print(float(line.split()[1]) * 3, flush=True)"


class FakeChild(Child):
    """A process whose bursts take these times, repeated."""

    def __init__(self, *milliseconds: float) -> None:
        self._times = cycle(milliseconds)

    def burst(self, kind: str) -> float:
        assert kind == "singles"
        return next(self._times)


def test_disturbed_bursts_do_not_change_the_ratio() -> None:
    (comparison,) = compare(FakeChild(1.0, 1.0, 5.0), {"slow": FakeChild(2.0, 9.0, 2.0)}, "singles", rounds=3)
    assert (comparison.base_ms, comparison.median, comparison.low, comparison.high) == (1.0, 2.0, 2.0, 2.0)
    assert "slow" in comparison.line()


@contextmanager
def running(code: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def test_a_burst_is_the_processor_time_per_request(tmp_path: Path) -> None:
    with running(ECHO) as process:
        assert Child(process, tmp_path).burst("singles") == 3.0


def test_a_process_that_fails_ends_the_benchmark_with_its_log(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_text("it broke")
    with running("input()") as process, pytest.raises(SystemExit, match="it broke"):
        Child(process, log).burst("singles")
