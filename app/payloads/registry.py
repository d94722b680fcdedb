"""The payload rules of a process: used for every signal, read from the database every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.payloads.domain import Rules
from app.shared.errors import FieldError, ValidationFailed


class Registry:
    """Keeps rules for `ttl_seconds`. `load` receives the previous rules and returns the current ones."""

    def __init__(
        self, load: Callable[[Rules], Rules], *, ttl_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._ttl_seconds = ttl_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rules: Rules | None = None
        self._loaded_at = 0.0

    def errors(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> list[FieldError]:
        """Errors of a payload, by the rules of its producer and version. Raises what the database raises."""
        return self._current().errors(producer_id, version, payload)

    def check(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> None:
        """Raises ValidationFailed with the errors that `errors` returns, if any."""
        if errors := self.errors(producer_id, version, payload):
            raise ValidationFailed(errors)

    def _current(self) -> Rules:
        """One thread loads new rules; the others use the previous ones, and wait only while there are none."""
        rules = self._rules
        if rules is not None and self._monotonic() - self._loaded_at < self._ttl_seconds:
            return rules
        if not self._lock.acquire(blocking=rules is None):
            return rules or Rules()
        try:
            if self._rules is None or self._rules is rules:
                started_at = self._monotonic()
                self._rules = self._load(rules or Rules())
                self._loaded_at = started_at
            return self._rules
        finally:
            self._lock.release()
