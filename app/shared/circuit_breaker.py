"""Circuit breaker: after a failure a server is left alone for a pause, so that callers need not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from app.shared import logs

log = logs.get_logger(__name__)


class CircuitBreaker:
    """Closed, open and half-open, as in Nygard, "Release It!" (2007). Safe for many threads.

    One failure opens the circuit. After the pause one call is allowed as a trial: its success closes the circuit, its
    failure starts the next pause. A trial without an outcome is followed by another one after the same pause.
    Logs `<name>_unavailable` when the circuit opens and `<name>_available` when it closes.
    """

    def __init__(self, name: str, pause_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._opened_event, self._closed_event = f"{name}_unavailable", f"{name}_available"
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._next_trial: float | None = None
        """When the next trial is allowed; None while the circuit is closed."""
        self._in_trial = False

    def allows_call(self) -> bool:
        """Whether the caller may call the server now. The caller then records the outcome."""
        if self._next_trial is None:
            return True
        with self._lock:
            now = self._monotonic()
            if self._next_trial is not None and now < self._next_trial:
                return False
            if self._next_trial is not None:
                self._next_trial = now + self._pause_seconds
                self._in_trial = True
            return True

    def record_success(self) -> None:
        """Close the circuit after a trial. The success of a call that began before the failure closes nothing."""
        if self._next_trial is None:
            return
        with self._lock:
            closes, self._in_trial = self._in_trial, False
            if closes:
                self._next_trial = None
        if closes:
            log.info(self._closed_event)

    def record_failure(self, error: object) -> None:
        """Open the circuit for the pause. `error` is logged as text."""
        with self._lock:
            opens = self._next_trial is None
            self._next_trial = self._monotonic() + self._pause_seconds
            self._in_trial = False
        if opens:
            log.warning(self._opened_event, error=str(error), pause_seconds=self._pause_seconds)
