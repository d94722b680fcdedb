"""A budget of threads for requests that last: `Prefer: wait` and exports take at most a quarter of a process's.

Every request has a thread of the web process until it is answered. Without this, as few clients as there are threads
would make all others wait.
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
    """Give the app a budget: a quarter of `threads`, and one at least."""
    app.extensions[_EXTENSION] = threading.BoundedSemaphore(max(threads // SHARE, 1))


@contextmanager
def slot() -> Iterator[bool]:
    """Whether a thread of the budget was free; if so, it is taken until the block ends. Never waits."""
    taken = _Slot(_budget())
    try:
        yield taken.granted
    finally:
        taken.release()


def within_budget(make: Callable[[], Response]) -> Response:
    """The streamed response that `make` returns, with a thread of the budget taken until it has been sent.

    Raises Unavailable with Retry-After when none is free.
    """
    taken = _Slot(_budget())
    if not taken.granted:
        raise Unavailable("too many exports and waiting requests run at once", retry_after=RETRY_SECONDS)
    try:
        response = make()
    except BaseException:
        taken.release()
        raise
    # The server closes a response when it has sent it, and when its client is gone.
    response.call_on_close(taken.release)
    response.response = _sent(response.response, taken)
    return response


def _sent(chunks: Iterable[Any], taken: _Slot) -> Iterator[Any]:
    """The chunks; the thread is free after the last, even before the response is closed."""
    try:
        yield from chunks
    finally:
        taken.release()


class _Slot:
    """One thread of the budget, taken if one was free. May be released more than once: so may a response be closed."""

    def __init__(self, budget: threading.BoundedSemaphore) -> None:
        self._budget = budget
        self.granted = self._is_held = budget.acquire(blocking=False)

    def release(self) -> None:
        if self._is_held:
            self._is_held = False
            self._budget.release()


def _budget() -> threading.BoundedSemaphore:
    return cast("threading.BoundedSemaphore", current_app.extensions[_EXTENSION])
