"""Stores signals by one call of a function in PostgreSQL. The rules of deduplication stand in migration 0008."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from app.events import service as events
from app.shared import failpoints
from app.shared.db import Database, records, uuid7
from app.signals import queries
from app.signals.batch import IncomingSignal
from app.signals.domain import DedupRule, MatchedOn
from app.signals.models import SignalRow
from app.signals.storage.outcome import Existing, NotDone, Outcome

_EXISTING: Final = ", ".join(f"(answer.existing).{name}" for name in SignalRow._fields)
_STORE: Final = f"""
SELECT item_number, outcome, matched_on, {_EXISTING}
FROM store_signals_each($1::json, $2::bigint[], $3::bigint[], $4, $5, $6, $7) AS answer
"""  # noqa: S608 - made of constants
_FIND: Final = f"""
SELECT number, matched_on, {_EXISTING}
FROM json_to_recordset($1::json)
    AS item (number integer, producer_id text, external_id text, dedup_key text, time timestamptz),
    find_existing_signal(producer_id, external_id, dedup_key, time, $2) AS answer
"""  # noqa: S608 - made of constants


def store(
    database: Database, items: Sequence[IncomingSignal], rule: DedupRule, *, wait_for_lock: bool, atomic: bool
) -> list[Outcome]:
    """One statement and one transaction in one round trip. With `atomic`, nothing is stored unless all are new.

    The function returns a row for each signal that it did not store.
    """
    rows = [queries.to_row(item) for item in items]
    parameters = (
        _rounds_json(items, rows),
        [lock_number(item.identity.window_key) for item in items],
        [lock_number(item.identity.external_key) for item in items],
        rule.window,
        events.SIGNAL_RECEIVED,
        wait_for_lock,
        atomic,
    )
    failpoints.reach("before_commit")
    try:
        results = database.execute_raw(_STORE, parameters)
    except IntegrityError:
        # A writer that takes no locks has stored one of these external_ids meanwhile. The second try sees it.
        results = database.execute_raw(_STORE, parameters)
    outcomes: list[Outcome] = list(rows)
    for number, outcome, matched_on, *existing in results:
        duplicate = outcome == "duplicate"
        outcomes[number] = Existing(SignalRow(*existing), MatchedOn(matched_on)) if duplicate else NotDone.BUSY
    return outcomes


def find_existing(database: Database, items: Sequence[IncomingSignal], rule: DedupRule) -> list[Existing | None]:
    keys = [
        {
            "number": number,
            "producer_id": item.new.producer_id,
            "external_id": item.new.external_id,
            "dedup_key": item.identity.window_key,
            "time": item.new.time,
        }
        for number, item in enumerate(items)
    ]
    results = database.execute_raw(_FIND, (records(keys), rule.window))
    existing = {
        number: Existing(SignalRow(*columns), MatchedOn(matched_on)) for number, matched_on, *columns in results
    }
    return [existing.get(number) for number in range(len(items))]


def _rounds_json(items: Sequence[IncomingSignal], rows: Sequence[SignalRow]) -> str:
    """The items as a list of lists, so that no two items of an inner list share a key and all keep their order."""
    rounds: list[list[dict[str, Any]]] = []
    next_round: dict[str, int] = {}
    for number, (item, row) in enumerate(zip(items, rows, strict=True)):
        window_key, external_key, _ = item.identity
        place = next_round.get(window_key, 0)
        if external_key:
            place = max(place, next_round.get(external_key, 0))
            next_round[external_key] = place + 1
        next_round[window_key] = place + 1
        if place == len(rounds):
            rounds.append([])
        rounds[place].append({**row._asdict(), "number": number, "event_id": uuid7(), "request_id": item.request_id})
    return f"[{','.join(map(records, rounds))}]"


def lock_number(key: str) -> int | None:
    """The number of a key's advisory lock; None for no key. All releases compute it in the same way."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True) if key else None
