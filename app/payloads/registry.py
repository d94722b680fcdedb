"""The rules of payloads in this process: asked for every signal, read from the database once in a few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from app.payloads.domain import Rules
from app.shared.errors import FieldError, ValidationFailed


class Registry:
    """Rules at most `ttl_seconds` old. `load` is given the rules held so far and returns those of now."""

    def __init__(
        self, load: Callable[[Rules], Rules], *, ttl_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._load = load
        self._ttl_seconds = ttl_seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._rules: Rules | None = None
        self._read_at = 0.0

    def errors(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> list[FieldError]:
        """What does not fit the schema of this producer's version. Raises what the database raises."""
        return self._current().errors(producer_id, version, payload)

    def check(self, producer_id: str, version: str, payload: Mapping[str, Any]) -> None:
        """Raises ValidationFailed for what errors() names."""
        if errors := self.errors(producer_id, version, payload):
            raise ValidationFailed(errors)

    def _current(self) -> Rules:
        """One thread reads; the others go on with what there is, and wait only while there is nothing."""
        held = self._rules
        if held is not None and self._monotonic() - self._read_at < self._ttl_seconds:
            return held
        if not self._lock.acquire(blocking=held is None):
            return held or Rules()
        try:
            if self._rules is None or self._rules is held:
                began = self._monotonic()
                self._rules = self._load(held or Rules())
                self._read_at = began
            return self._rules
        finally:
            self._lock.release()
