"""Turns: who waits longest comes next, whichever thread or process it is."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.shared.fifo_lock import Turns

SECONDS = 10.0
HOLDS = """
import sys, time
from pathlib import Path
from app.shared.fifo_lock import Turns
with Turns(Path(sys.argv[1])).take(5):
    print("mine", flush=True)
    time.sleep(60)
"""


def wait_until(true: object) -> None:
    until = time.monotonic() + SECONDS
    while not true():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.001)


class Runner:
    """Threads that take a turn each and note when they had it."""

    def __init__(self) -> None:
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, name: str, turns: Turns, seconds: float = SECONDS) -> None:
        def run() -> None:
            try:
                with turns.take(seconds):
                    self.order.append(name)
            except TimeoutError:
                self.order.append(f"{name} gave up")

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def join(self) -> list[str]:
        for thread in self._threads:
            thread.join(SECONDS)
        return self.order


def waiting(turns: Turns) -> int:
    return len(turns._threads._waiting)


def test_threads_come_in_the_order_they_asked() -> None:
    turns, runner = Turns(), Runner()
    with turns.take(SECONDS):
        for number in range(5):
            runner.start(str(number), turns)
            wait_until(lambda number=number: waiting(turns) == number + 1)
    assert runner.join() == ["0", "1", "2", "3", "4"]


def test_who_gave_up_is_passed_over() -> None:
    turns, runner = Turns(), Runner()
    with turns.take(SECONDS):
        runner.start("hasty", turns, seconds=0.01)
        wait_until(lambda: runner.order == ["hasty gave up"])
        runner.start("patient", turns)
        wait_until(lambda: waiting(turns) == 1)
    assert runner.join() == ["hasty gave up", "patient"]
    with turns.take(0):
        pass


def test_a_turn_ends_with_what_was_raised_in_it(tmp_path: Path) -> None:
    turns = Turns(tmp_path / "a.db")
    with pytest.raises(ValueError, match="mine"), turns.take(SECONDS):
        raise ValueError("mine")
    with turns.take(0):
        pass


def test_a_process_that_had_its_turn_stands_behind_one_that_waits(tmp_path: Path) -> None:
    # What another process has is another description of the same files.
    busy, other, runner = Turns(tmp_path / "a.db"), Turns(tmp_path / "a.db"), Runner()
    with busy.take(SECONDS):
        for number in range(3):
            runner.start(f"busy {number}", busy)
        wait_until(lambda: waiting(busy) == 3)
        runner.start("other", other)
        # It is the next one as soon as it has the first of the two files.
        wait_until(lambda: not _is_free(tmp_path / "a.db-next"))
    assert runner.join()[0] == "other"


def test_a_process_gives_up_in_time_and_leaves_nothing_behind(tmp_path: Path) -> None:
    first, second, third = (Turns(tmp_path / "a.db") for _ in range(3))
    with first.take(SECONDS):
        for _ in range(2):
            with pytest.raises(TimeoutError, match="other processes"), second.take(0.01):
                pass
    with third.take(0):
        pass
    with second.take(0):
        pass


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_turn_of_a_process_ends_with_it(tmp_path: Path, number: int) -> None:
    turns = Turns(tmp_path / "a.db")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path / "a.db")],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"mine\n"
    with pytest.raises(TimeoutError), turns.take(0.01):
        pass
    holder.send_signal(number)
    holder.communicate()
    with turns.take(0):
        pass


def _is_free(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_the_first_turn_makes_the_folder_of_its_files(tmp_path: Path) -> None:
    with Turns(tmp_path / "new" / "folder" / "a.db").take(SECONDS):
        assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["a.db-next", "a.db-turn"]
