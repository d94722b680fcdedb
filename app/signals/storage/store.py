"""Stores signals with their events in one transaction. A single signal is a list of one."""

from __future__ import annotations

from collections.abc import Sequence

from app.shared.db import Database
from app.signals.batch import IncomingSignal
from app.signals.domain import DedupRule
from app.signals.models import SignalRow
from app.signals.storage import postgresql, sqlite
from app.signals.storage.outcome import Existing, NotDone, Outcome


def store(
    database: Database, items: Sequence[IncomingSignal], rule: DedupRule, *, wait_for_lock: bool, atomic: bool = False
) -> list[Outcome]:
    """Store and commit the signals that are new, in their order; each is compared with those before it too.

    `atomic`: store all of them or none. `wait_for_lock`: wait for transactions that store a signal of the same key,
    and see what they commit. Otherwise such a signal is BUSY, and the others are stored; SQLite, which has one writer
    at a time, always waits. Raises what the database raises, for all items; nothing is stored then.
    """
    if database.is_sqlite:
        outcomes = sqlite.store(database, items, rule, atomic=atomic)
    else:
        outcomes = postgresql.store(database, items, rule, wait_for_lock=wait_for_lock, atomic=atomic)
    if not atomic or all(isinstance(outcome, SignalRow) for outcome in outcomes):
        return outcomes
    return [NotDone.ROLLED_BACK if isinstance(outcome, SignalRow) else outcome for outcome in outcomes]


def find_existing(database: Database, items: Sequence[IncomingSignal], rule: DedupRule) -> list[Existing | None]:
    """For each signal the stored one that it duplicates, or None. Reads what is committed and takes no locks."""
    find = sqlite.find_existing if database.is_sqlite else postgresql.find_existing
    return find(database, items, rule)
