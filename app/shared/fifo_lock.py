"""Turns at something that one may use at a time: threads in the order they came, and processes one after the other.

SQLite's own lock goes to whoever looks first after it is free. Those who wait look again after sleeps that grow, so who
writes all the time has it again before anybody else wakes, and others wait until their time is over.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

LOOK_SECONDS: Final = 0.0005


class Turns:
    """The turns of this process's threads. Processes that name the same file take theirs with all others."""

    def __init__(self, file: Path | None = None) -> None:
        self._threads = _Line()
        self._files = [file.with_name(f"{file.name}-{part}") for part in ("next", "turn")] if file is not None else []

    @contextmanager
    def take(self, seconds: float) -> Iterator[None]:
        """The time in which it is the caller's turn. Raises TimeoutError when it does not come that soon."""
        until = time.monotonic() + seconds
        with self._threads.turn(until), _turn_of_process(self._files, until):
            yield


class _Line:
    """Threads, first come first served: a plain lock may go to the thread that has just let it go, again and again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, until: float) -> Iterator[None]:
        if not self._came(until):
            raise TimeoutError("other threads had their turn all the time")
        try:
            yield
        finally:
            self._go_on()

    def _came(self, until: float) -> bool:
        mine = threading.Lock()
        with self._lock:
            if not self._taken:
                self._taken = True
                return True
            mine.acquire()
            self._waiting.append(mine)
        if mine.acquire(timeout=max(until - time.monotonic(), 0)):
            return True
        with self._lock:
            if mine not in self._waiting:
                # It came in the last moment.
                return True
            self._waiting.remove(mine)
            return False

    def _go_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False


@contextmanager
def _turn_of_process(files: list[Path], until: float) -> Iterator[None]:
    """Two locks: whoever holds the first is the next to get the second, and lets the first go when it has.

    So whoever has just had its turn finds the first one taken by whoever waited, and stands behind. The kernel lets go
    of both when their process ends, however it ends.
    """
    if not files:
        yield
        return
    to_be_next, turn = files
    with ExitStack() as held:
        with _locked(to_be_next, until):
            held.enter_context(_locked(turn, until))
        yield


@contextmanager
def _locked(path: Path, until: float) -> Iterator[None]:
    # Opened each time: what a child inherits over a fork would be its parent's lock.
    with _opened(path) as file:
        while not _try(file.fileno()):
            # The call that waits knows no limit, and its holder may be stopped.
            if time.monotonic() > until:
                raise TimeoutError("other processes had their turn all the time")
            time.sleep(LOOK_SECONDS)
        yield


def _opened(path: Path) -> IO[str]:
    try:
        return path.open("a")
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a")


def _try(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
