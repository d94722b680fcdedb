"""A limit on long requests: `Prefer: wait` and exports use at most a quarter of the threads of a web process.

Every request occupies a thread until its response is sent. Without the limit, a few clients with long requests could
occupy all threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

from flask import Flask, Response, current_app

from app.shared.errors import Unavailable

SHARE: Final = 4
RETRY_SECONDS: Final = 5

_EXTENSION: Final = "signalbox.thread_budget"


def register(app: Flask, threads: int) -> None:
    """Give the application a budget: a quarter of `threads`, at least one."""
    app.extensions[_EXTENSION] = threading.BoundedSemaphore(max(threads // SHARE, 1))


@contextmanager
def slot() -> Iterator[bool]:
    """Acquire a thread of the budget until the block ends. Yields whether one was free; never waits."""
    thread = _Slot(_budget())
    try:
        yield thread.acquired
    finally:
        thread.release()


def within_budget(make: Callable[[], Response]) -> Response:
    """The streamed response that `make` returns. A thread of the budget is occupied until it has been sent.

    Raises Unavailable with Retry-After if none is free.
    """
    thread = _Slot(_budget())
    if not thread.acquired:
        raise Unavailable("too many exports and waiting requests run at once", retry_after=RETRY_SECONDS)
    try:
        response = make()
    except BaseException:
        thread.release()
        raise
    # The server closes a response when it has sent it and when its client has disconnected.
    response.call_on_close(thread.release)
    response.response = _sent(response.response, thread)
    return response


def _sent(chunks: Iterable[Any], thread: _Slot) -> Iterator[Any]:
    """The chunks. The thread is released after the last one, even before the response is closed."""
    try:
        yield from chunks
    finally:
        thread.release()


class _Slot:
    """One thread of the budget, if one was free. `release` may be called more than once."""

    def __init__(self, budget: threading.BoundedSemaphore) -> None:
        self._budget = budget
        self.acquired = self._is_open = budget.acquire(blocking=False)

    def release(self) -> None:
        if self._is_open:
            self._is_open = False
            self._budget.release()


def _budget() -> threading.BoundedSemaphore:
    return cast("threading.BoundedSemaphore", current_app.extensions[_EXTENSION])
