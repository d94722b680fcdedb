"""Accepts signals in three steps: claim their keys in Redis, store them, publish. All entry points call it.

A single signal is a batch of one. Signals that arrive at the same time on several threads are stored together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Final
from uuid import UUID

from sqlalchemy.exc import DataError, IntegrityError

from app.payloads import service as payloads
from app.payloads.domain import Rules
from app.payloads.registry import Registry
from app.resources import Resources
from app.shared import failpoints
from app.shared.db import Database, uuid7
from app.shared.errors import DomainError, Unavailable
from app.shared.group_commit import GroupCommit
from app.shared.metrics import LimitedLabel
from app.shared.queue import DISPATCH, EVENTS, Queue
from app.signals import metrics, queries
from app.signals.batch import DuplicateInBatch, IncomingSignal, NotStored
from app.signals.dedup.duplicate_cache import DuplicateCache, ExistingSignal
from app.signals.dedup.redis_claims import Claim, Claims, claim_keys
from app.signals.domain import DedupRule, DuplicateSignal, NewSignal
from app.signals.models import SignalRow
from app.signals.storage.outcome import Existing, NotDone, Outcome
from app.signals.storage.store import find_existing, store

MAX_GROUP: Final = 16
"""Single signals stored together: as many as a process has threads by default."""


@dataclass
class Intake:
    database: Database
    claims: Claims
    queue: Queue
    rule: DedupRule
    instruments: LimitedLabel
    payloads: Registry

    def __post_init__(self) -> None:
        self._group_commit = GroupCommit(self._accept_group, MAX_GROUP)
        self._duplicates = DuplicateCache()

    @classmethod
    def build(cls, resources: Resources) -> Intake:
        settings = resources.settings
        window_seconds = settings.signals_dedup_window_seconds

        def load_payload_rules(rules: Rules) -> Rules:
            with resources.database.reading() as session:
                return payloads.load(session, rules)

        return cls(
            database=resources.database,
            claims=Claims(resources.redis, window_seconds=window_seconds),
            queue=resources.queue,
            rule=DedupRule(window_seconds, settings.signals_dedup_fields),
            instruments=LimitedLabel(settings.metrics_instruments, settings.metrics_max_instruments),
            payloads=Registry(load_payload_rules, ttl_seconds=settings.signals_schemas_ttl_seconds),
        )

    def checked(self, new: NewSignal) -> NewSignal:
        """The same signal. Raises ValidationFailed where its payload does not fit the schema of its version."""
        self.payloads.check(new.producer_id, new.version, new.payload)
        return new

    def accept(self, new: NewSignal, *, now: datetime, request_id: str = "") -> SignalRow:
        """Store one signal and wake the dispatcher. Raises DuplicateSignal, Unavailable or what the database raises."""
        item = IncomingSignal(0, new, self.rule.identify(new), uuid7(), now, request_id)
        self._refuse_cached(item)
        outcome, claim = self._group_commit.run(item)
        if outcome is None:
            (outcome,) = self._accept(claim, [item])
        if not isinstance(outcome, SignalRow):
            # Raise it without a name: a name here would keep the exception's frames alive until a garbage collection.
            raise self._refusal(item, outcome)
        metrics.INGESTED.labels(self.instruments(outcome.instrument), outcome.side).inc()
        return outcome

    def accept_all(
        self, batch: Sequence[tuple[int, NewSignal]], *, now: datetime, request_id: str = "", atomic: bool = False
    ) -> list[SignalRow | DomainError]:
        """Store the new ones of a producer's signals, given with their places; with `atomic`, all or none.

        Returns the stored signal or its refusal for each, in their order. Raises what the database raises.
        """
        if not batch:
            return []
        items = [IncomingSignal(index, new, self.rule.identify(new), uuid7(), now, request_id) for index, new in batch]
        outcomes = self._accept(self._claim(items), items, atomic=atomic)
        stored = [outcome for outcome in outcomes if isinstance(outcome, SignalRow)]
        for labels, count in Counter((self.instruments(row.instrument), row.side) for row in stored).items():
            metrics.INGESTED.labels(*labels).inc(count)
        by_id = {item.id: item for item in items}
        return [
            _batch_result(item, outcome, by_id, any_stored=bool(stored))
            for item, outcome in zip(items, outcomes, strict=True)
        ]

    def _refuse_cached(self, item: IncomingSignal) -> None:
        existing = self._duplicates.find(item.new, item.identity)
        if existing is not None:
            metrics.DEDUP.labels("memory", "duplicate").inc()
            raise existing.refusal(item.new)

    def _refusal(self, item: IncomingSignal, outcome: Existing | NotDone) -> DomainError:
        if isinstance(outcome, NotDone):
            return _busy()
        existing = ExistingSignal(outcome.signal.id, queries.as_new_signal(outcome.signal), outcome.matched_on)
        self._duplicates.remember(item.new, item.identity, existing)
        return existing.refusal(item.new)

    def _accept_group(self, items: Sequence[IncomingSignal]) -> list[tuple[Outcome | None, Claim]]:
        """Store those signals of a group that wait for nothing. Each of the others gets None and its own part of the
        claim: its thread goes on with it alone and holds up nobody else.
        """
        claim = self._claim(items)
        unmarked = [item for item in items if claim.marked.keys().isdisjoint(claim_keys(item.identity))]
        outcomes = self._store_group(unmarked, claim)
        done = [item for item in unmarked if item.id in outcomes]
        if done:
            self._publish(claim.part(_keys(done)), done, [outcomes[item.id] for item in done])
        return [
            (outcomes[item.id], claim) if item.id in outcomes else (None, claim.part(claim_keys(item.identity)))
            for item in items
        ]

    def _store_group(self, items: Sequence[IncomingSignal], claim: Claim) -> dict[UUID, Outcome]:
        """The outcomes of those that were not busy, by the ids of the signals."""
        if not items:
            return {}
        try:
            outcomes = store(self.database, items, self.rule, wait_for_lock=False)
        except (DataError, IntegrityError):
            # The database refuses a value of one of them and stores none: each finds out alone.
            return {}
        except BaseException:
            self.claims.release(claim)
            raise
        return {item.id: outcome for item, outcome in zip(items, outcomes, strict=True) if outcome is not NotDone.BUSY}

    def _accept(self, claim: Claim, items: Sequence[IncomingSignal], *, atomic: bool = False) -> Sequence[Outcome]:
        """Refuse the signals without a write where markers allow it. Otherwise store them and publish."""
        try:
            existing_signals = self._find_marked(claim, items)
            outcomes: Sequence[Outcome] = existing_signals or store(
                self.database, items, self.rule, wait_for_lock=True, atomic=atomic
            )
        except BaseException:
            self.claims.release(claim)
            raise
        if existing_signals is None:
            self._publish(claim, items, outcomes)
        else:
            _count(claim, items, outcomes, in_database=False)
        return outcomes

    def _claim(self, items: Sequence[IncomingSignal]) -> Claim:
        """Claim the keys of all items by one command."""
        claim = self.claims.take(_keys(items))
        failpoints.reach("after_claim_key")
        return claim

    def _find_marked(self, claim: Claim, items: Sequence[IncomingSignal]) -> list[Existing] | None:
        """The existing signals, where every item has a marker and every marker holds true; else None.

        Forgets markers of signals that are not stored any more.
        """
        if any(claim.marked.keys().isdisjoint(claim_keys(item.identity)) for item in items):
            return None
        existing = find_existing(self.database, items, self.rule)
        existing_signals = [outcome for outcome in existing if outcome is not None]
        if len(existing_signals) == len(items):
            return existing_signals
        for item, outcome in zip(items, existing, strict=True):
            if outcome is None:
                self.claims.forget(claim.part(claim_keys(item.identity)).marked)
        return None

    def _publish(self, claim: Claim, items: Sequence[IncomingSignal], outcomes: Sequence[Outcome]) -> None:
        """After the commit: count, mark the keys of the stored and the existing signals, wake the dispatcher."""
        _count(claim, items, outcomes, in_database=True)
        stored = any(isinstance(outcome, SignalRow) for outcome in outcomes)
        if stored:
            failpoints.reach("after_commit")
        if self.claims.settle(claim, self._markers(items, outcomes), wake=EVENTS if stored else ""):
            self.queue.publish(DISPATCH, EVENTS)
            failpoints.reach("after_publish")

    def _markers(self, items: Sequence[IncomingSignal], outcomes: Sequence[Outcome]) -> dict[str, UUID]:
        """The keys to mark, with the ids of the signals they belong to."""
        markers: dict[str, UUID] = {}
        incoming_ids = {item.id for item in items}
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(outcome, SignalRow):
                markers |= dict.fromkeys(claim_keys(item.identity), outcome.id)
            elif isinstance(outcome, Existing) and outcome.signal.id not in incoming_ids:
                identity = self.rule.identify(queries.as_new_signal(outcome.signal))
                markers |= dict.fromkeys(claim_keys(identity), outcome.signal.id)
        return markers


def _batch_result(
    item: IncomingSignal, outcome: Outcome, by_id: Mapping[UUID, IncomingSignal], *, any_stored: bool
) -> SignalRow | DomainError:
    if isinstance(outcome, SignalRow):
        return outcome
    if outcome is NotDone.ROLLED_BACK:
        return NotStored()
    if outcome is NotDone.BUSY:
        return _busy()
    earlier = by_id.get(outcome.signal.id)
    if earlier is not None:
        return DuplicateInBatch(item.new, earlier, outcome.matched_on, stored=any_stored)
    return DuplicateSignal(item.new, outcome.signal.id, queries.as_new_signal(outcome.signal), outcome.matched_on)


def _keys(items: Sequence[IncomingSignal]) -> list[str]:
    """The Redis keys of all items, each once."""
    return list(dict.fromkeys(chain.from_iterable(claim_keys(item.identity) for item in items)))


def _count(claim: Claim, items: Sequence[IncomingSignal], outcomes: Sequence[Outcome], *, in_database: bool) -> None:
    """Count what Redis answered for each signal, and the database where it was the one that decided."""
    pending = set(claim.pending)
    counts: Counter[tuple[str, str]] = Counter()
    for item, outcome in zip(items, outcomes, strict=True):
        counts["redis", _redis_state(claim, pending, item, outcome)] += 1
        if in_database and isinstance(outcome, SignalRow):
            counts["database", "new"] += 1
        elif in_database and isinstance(outcome, Existing):
            counts["database", "duplicate"] += 1
    for labels, count in counts.items():
        metrics.DEDUP.labels(*labels).inc(count)


def _redis_state(claim: Claim, pending: set[str], item: IncomingSignal, outcome: Outcome) -> str:
    if not claim.available:
        return "unavailable"
    if not claim.marked and not pending:
        return "free"
    keys = claim_keys(item.identity)
    if not claim.marked.keys().isdisjoint(keys):
        return "duplicate" if isinstance(outcome, Existing) else "stale"
    return "free" if pending.isdisjoint(keys) else "pending"


def _busy() -> Unavailable:
    return Unavailable("another transaction holds the signal's locks", retry_after=1)
