"""Allows one ./run per checkout: two would share a database file, a Redis folder and pid files."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from launcher.places import RUN_LOCK
from launcher.refusal import Refusal


class RunLock:
    """The lock, while this process holds it. A second ./run prints the text in its file."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Replace the text in the lock file."""
        self._file.seek(0)
        self._file.truncate()
        self._file.write(text)
        self._file.flush()


@contextmanager
def only_run() -> Iterator[RunLock]:
    """Hold the checkout's lock. Raises Refusal when another run holds it.

    The kernel releases the lock when this process ends for any reason. The servers do not inherit it.
    """
    RUN_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with RUN_LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refusal(f"already running in this folder: {file.read() or 'starting'}") from None
        lock = RunLock(file)
        lock.write(f"pid {os.getpid()}, starting")
        yield lock
