"""A lock that threads get in the order of their arrival."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class FifoLock:
    """Mutual exclusion of threads, first in, first out.

    `threading.Lock` has no order: the thread that releases it may get it again before a thread that waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_locked = False
        self._waiters: deque[threading.Lock] = deque()
        """One locked lock for each waiting thread, released when this lock is handed over to it."""

    @contextmanager
    def hold(self, timeout_seconds: float) -> Iterator[None]:
        """Hold the lock during the block. Raises TimeoutError when it cannot be had in time."""
        if not self._acquire(timeout_seconds):
            raise TimeoutError(f"other threads held the lock for {timeout_seconds:g} seconds")
        try:
            yield
        finally:
            self._release()

    def _acquire(self, timeout_seconds: float) -> bool:
        with self._lock:
            if not self._is_locked:
                self._is_locked = True
                return True
            waiter = threading.Lock()
            waiter.acquire()
            self._waiters.append(waiter)
        if waiter.acquire(timeout=max(timeout_seconds, 0)):
            return True
        with self._lock:
            if waiter not in self._waiters:
                # It was handed over after the time-out and before this thread went on.
                return True
            self._waiters.remove(waiter)
            return False

    def _release(self) -> None:
        with self._lock:
            if self._waiters:
                self._waiters.popleft().release()
            else:
                self._is_locked = False
