"""What a process found to be stored a moment ago: a sender that repeats itself costs neither Redis nor the database.

Remembered is only what the database said, and what a signal once stored makes true for good, so that no answer can be
wrong; a signal that an operator deletes is taken again a few seconds later.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cachetools import TTLCache

from app.signals.domain import DuplicateSignal, Identity, MatchedOn, NewSignal

SECONDS: Final = 5.0
MOST: Final = 256
"""Signals, each of which may be as long as a body may be."""


@dataclass(frozen=True, slots=True)
class Known:
    """A stored signal, and why another one is the same."""

    id: UUID
    signal: NewSignal
    matched_on: MatchedOn

    def refusal_of(self, new: NewSignal) -> DuplicateSignal:
        return DuplicateSignal(new, self.id, self.signal, self.matched_on)


class Recent:
    """Thread-safe."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._known: TTLCache[str, Known] = TTLCache(MOST, SECONDS, timer=monotonic)
        self._lock = threading.Lock()

    def find(self, new: NewSignal, identity: Identity) -> Known | None:
        """Why `new` is refused, if the same was refused a moment ago."""
        with self._lock:
            return self._known.get(_key(new, identity))

    def remember(self, new: NewSignal, identity: Identity, refusal: DuplicateSignal) -> None:
        """Keep what the database said of `new`.

        Not of one with an external_id that was refused by its time: the next may be the same by its external_id as
        another, and that rule comes first.
        """
        if new.external_id is None or refusal.matched_on is MatchedOn.EXTERNAL_ID:
            found = Known(refusal.existing_id, refusal.existing, refusal.matched_on)
            with self._lock:
                self._known[_key(new, identity)] = found


def _key(new: NewSignal, identity: Identity) -> str:
    return identity.external_key or f"{identity.window_key}@{new.time.timestamp()}"
