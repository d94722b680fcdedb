"""One run at a time in a checkout: two would share a database file, a Redis folder and process ids."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from launcher.places import RUN_LOCK
from launcher.refusal import Refusal


class RunLock:
    """The lock while it is held. What is written into its file is for those who come second."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def announce(self, where: str) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._file.write(where)
        self._file.flush()


@contextmanager
def only_run() -> Iterator[RunLock]:
    """Hold the checkout's lock. Raises Refusal when another run holds it.

    The kernel lets go of the lock when this process ends, however it ends; the servers do not inherit it.
    """
    RUN_LOCK.parent.mkdir(parents=True, exist_ok=True)
    with RUN_LOCK.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refusal(f"already running in this folder: {file.read() or 'starting'}") from None
        lock = RunLock(file)
        lock.announce(f"pid {os.getpid()}, starting")
        yield lock
