"""Remembers for some seconds which signals a process refused as duplicates: a repetition asks neither Redis nor the
database.

An entry repeats an answer of the database that stays true as long as the existing signal is stored. A signal that an
operator deletes is accepted again after MAX_SECONDS.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from cachetools import TTLCache

from app.signals.domain import DuplicateSignal, Identity, MatchedOn, NewSignal

MAX_SECONDS: Final = 5.0
MAX_ENTRIES: Final = 256
"""An entry may be as large as the body of a request."""


class ExistingSignal(NamedTuple):
    """A stored signal, and the rule by which another one is its duplicate."""

    id: UUID
    signal: NewSignal
    matched_on: MatchedOn

    def refusal(self, new: NewSignal) -> DuplicateSignal:
        return DuplicateSignal(new, self.id, self.signal, self.matched_on)


class DuplicateCache:
    """Thread-safe."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._entries: TTLCache[str, ExistingSignal] = TTLCache(MAX_ENTRIES, MAX_SECONDS, timer=monotonic)
        self._lock = threading.Lock()

    def find(self, new: NewSignal, identity: Identity) -> ExistingSignal | None:
        """The stored signal that `new` was a duplicate of a moment ago."""
        with self._lock:
            return self._entries.get(_key(new, identity))

    def remember(self, new: NewSignal, identity: Identity, existing: ExistingSignal) -> None:
        """Keep what the database answered for `new`.

        A signal with an external_id that was refused by the window is not kept: the next one may have the external_id
        of another signal, and that rule comes first.
        """
        if new.external_id is None or existing.matched_on is MatchedOn.EXTERNAL_ID:
            with self._lock:
                self._entries[_key(new, identity)] = existing


def _key(new: NewSignal, identity: Identity) -> str:
    return identity.external_key or f"{identity.window_key}@{new.time.timestamp()}"
