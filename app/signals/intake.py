"""The way of signals from their claim to their commit and the wake-up after it; every door for signals leads here.

It joins the slice's fast path to its service, which must not know each other, and needs no web request.
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

from app.events import service as events
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
from app.signals import metrics
from app.signals.batch import DuplicateInBatch, Item
from app.signals.dedup import redis_claims as claims
from app.signals.dedup.duplicate_cache import Recent
from app.signals.dedup.redis_claims import Claim, Claims
from app.signals.domain import DedupRule, DuplicateSignal, NewSignal
from app.signals.models import SignalRow
from app.signals.storage import bulk, single
from app.signals.storage.single import Told

MOST_TOGETHER: Final = 16
"""Signals stored by one thread at once: the threads of a process, at its default settings."""


@dataclass
class Intake:
    database: Database
    claims: Claims
    queue: Queue
    rule: DedupRule
    instruments: LimitedLabel
    payloads: Registry

    def __post_init__(self) -> None:
        self._group_commit = GroupCommit(self._accept_together, MOST_TOGETHER)
        self._recent = Recent()

    @classmethod
    def build(cls, resources: Resources) -> Intake:
        settings = resources.settings
        window_seconds = settings.signals_dedup_window_seconds

        def load_payload_rules(known: Rules) -> Rules:
            with resources.database.reading() as session:
                return payloads.load(session, known)

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
        """Store the signal and wake whoever follows it up. Raises DuplicateSignal, or what the database raises."""
        told = Told(new, self.rule.identify(new), now, request_id)
        self._refuse_recent(told)
        outcome = self._group_commit.run(told)
        signal = outcome if isinstance(outcome, SignalRow) else self._accept_alone(told, outcome)
        metrics.INGESTED.labels(self.instruments(signal.instrument), signal.side).inc()
        return signal

    def accept_all(
        self, told: Sequence[tuple[int, NewSignal]], *, now: datetime, request_id: str = "", atomic: bool = False
    ) -> list[SignalRow | DomainError]:
        """Store those of one producer's signals that are new, or with `atomic` all or none. Each has its place.

        Gives the stored signal or its refusal for each, in their order; raises what the database raises.
        """
        if not told:
            return []
        items = [Item(index, new, uuid7(), self.rule.identify(new)) for index, new in told]
        keys = {item.index: claims.keys(item.identity) for item in items}
        claim = self.claims.take(list(dict.fromkeys(chain.from_iterable(keys.values()))))
        failpoints.reach("after_claim_key")
        try:
            verdicts = (
                self._all_known(items, keys, claim, atomic=atomic)
                or self._store_new(items, claim, now, request_id)
                or self._store_all(items, now, request_id, atomic=atomic)
            )
        except BaseException:
            self.claims.release(claim)
            raise
        failpoints.reach("after_commit")
        self._settle_all(claim, list(zip(keys.values(), verdicts, strict=True)))
        return verdicts

    def _refuse_recent(self, told: Told) -> None:
        known = self._recent.find(told.new, told.identity)
        if known is not None:
            metrics.DEDUP.labels("memory", "duplicate").inc()
            # Made here and kept under no name: with one, it would hold the frame that holds it, until a search for
            # garbage finds the two.
            raise known.refusal_of(told.new)

    def _accept_together(self, told: Sequence[Told]) -> list[SignalRow | Claim]:
        """Claim the keys of all signals that came at once, and store those of which nothing speaks against it.

        The others get their claims and go on alone: what they may have to wait for holds up nobody else.
        """
        keys = [claims.keys(each.identity) for each in told]
        claim = self.claims.take(list(dict.fromkeys(chain.from_iterable(keys))))
        failpoints.reach("after_claim_key")
        free = [index for index, own in enumerate(keys) if claim.marked.keys().isdisjoint(own)]
        stored = self._store_together([told[index] for index in free], claim) if free else []
        rows = {index: row for index, row in zip(free, stored, strict=True) if row is not None}
        self._settle_together(claim, [(row, keys[index]) for index, row in rows.items()])
        return [rows.get(index) or claim.part(own) for index, own in enumerate(keys)]

    def _store_together(self, told: Sequence[Told], claim: Claim) -> list[SignalRow | None]:
        try:
            return single.store(self.database, told, self.rule, patient=False)
        except (DataError, IntegrityError):
            # One of them is nothing for the database, and none is stored: each finds out alone.
            return [None] * len(told)
        except BaseException:
            self.claims.release(claim)
            raise

    def _settle_together(self, claim: Claim, stored: Sequence[tuple[SignalRow, tuple[str, ...]]]) -> None:
        if not stored:
            return
        metrics.DEDUP.labels("database", "new").inc(len(stored))
        for _, keys in stored:
            metrics.DEDUP.labels("redis", _outcome(claim.part(keys) if claim.pending else claim)).inc()
        marked = {key: row.id for row, keys in stored for key in keys}
        self._settle_stored(claim.part(marked), marked)

    def _accept_alone(self, told: Told, claim: Claim) -> SignalRow:
        try:
            self._refuse_known(told, claim)
            signal = self._store(told)
        except DuplicateSignal as duplicate:
            self._settle_duplicate(claim, duplicate)
            self._recent.remember(told.new, told.identity, duplicate)
            raise
        except BaseException:
            self.claims.release(claim)
            raise
        self._settle_stored(claim, dict.fromkeys(claims.keys(told.identity), signal.id))
        return signal

    def _settle_stored(self, claim: Claim, stored: Mapping[str, UUID]) -> None:
        """Mark what is stored now, and wake whoever follows it up."""
        failpoints.reach("after_commit")
        self._settle(claim, stored, wake=True)

    def _settle(self, claim: Claim, marked: Mapping[str, UUID], *, wake: bool) -> None:
        if self.claims.settle(claim, marked, wake=EVENTS if wake else ""):
            self.queue.publish(DISPATCH, EVENTS)
            failpoints.reach("after_publish")

    def _refuse_known(self, told: Told, claim: Claim) -> None:
        """Raise DuplicateSignal for a marker that holds true; forget one that does not."""
        if not claim.marked:
            metrics.DEDUP.labels("redis", _outcome(claim)).inc()
            return
        duplicate = single.find_duplicate(self.database, told.new, told.identity, self.rule)
        metrics.DEDUP.labels("redis", "duplicate" if duplicate else "stale").inc()
        if duplicate is not None:
            raise duplicate
        self.claims.forget(claim.marked)

    def _store(self, told: Told) -> SignalRow:
        (signal,) = single.store(self.database, [told], self.rule, patient=True)
        if signal is None:
            metrics.DEDUP.labels("database", "duplicate").inc()
            # Only a signal deleted between the two statements leaves nothing to be found.
            gone = Unavailable("what this one repeats was just deleted", retry_after=1)
            raise single.find_duplicate(self.database, told.new, told.identity, self.rule) or gone
        metrics.DEDUP.labels("database", "new").inc()
        return signal

    def _all_known(
        self, items: Sequence[Item], keys: Mapping[int, tuple[str, ...]], claim: Claim, *, atomic: bool
    ) -> list[SignalRow | DomainError] | None:
        """The refusals, where every item has a marker and all of them hold true; a writer's turn is not needed then."""
        if not all(any(key in claim.marked for key in known) for known in keys.values()):
            metrics.DEDUP.labels("redis", _outcome(claim)).inc(len(items))
            return None
        with self.database.reading() as session:
            verdicts = bulk.judge(session, items, rule=self.rule, atomic=atomic)
        refused = [verdict for verdict in verdicts if isinstance(verdict, DuplicateSignal | DuplicateInBatch)]
        metrics.DEDUP.labels("redis", "duplicate").inc(len(refused))
        metrics.DEDUP.labels("redis", "stale").inc(len(items) - len(refused))
        return list(refused) if len(refused) == len(items) else None

    def _store_new(
        self, items: Sequence[Item], claim: Claim, now: datetime, request_id: str
    ) -> list[SignalRow | DomainError] | None:
        """All of them at once, where no item has a marker and the database finds them all new too."""
        if claim.marked:
            return None
        rows = bulk.store_new(self.database, items, now=now, rule=self.rule, request_id=request_id)
        if rows is None:
            return None
        metrics.DEDUP.labels("database", "new").inc(len(rows))
        return list(rows)

    def _store_all(
        self, items: Sequence[Item], now: datetime, request_id: str, *, atomic: bool
    ) -> list[SignalRow | DomainError]:
        with self.database.transaction() as session:
            verdicts = bulk.ingest(session, items, now=now, rule=self.rule, atomic=atomic)
            stored = [verdict for verdict in verdicts if isinstance(verdict, SignalRow)]
            happened = [events.Occurrence(str(signal.id), now, request_id) for signal in stored]
            events.append_all(session, events.SIGNAL_RECEIVED, happened)
            failpoints.reach("before_commit")
        metrics.DEDUP.labels("database", "new").inc(len(stored))
        metrics.DEDUP.labels("database", "duplicate").inc(len(verdicts) - len(stored))
        return verdicts

    def _settle_all(self, claim: Claim, outcomes: Sequence[tuple[tuple[str, ...], SignalRow | DomainError]]) -> None:
        """Mark what is stored now and what was found stored, and wake whoever follows up the new ones, all at once."""
        marked: dict[str, UUID] = {}
        new: Counter[tuple[str, str]] = Counter()
        for keys, verdict in outcomes:
            if isinstance(verdict, DuplicateSignal):
                known = self.rule.identify(verdict.existing)
                marked |= dict.fromkeys(claims.keys(known), verdict.existing_id)
            elif isinstance(verdict, SignalRow):
                marked |= dict.fromkeys(keys, verdict.id)
                new[self.instruments(verdict.instrument), verdict.side] += 1
        for labels, count in new.items():
            metrics.INGESTED.labels(*labels).inc(count)
        self._settle(claim, marked, wake=bool(new))

    def _settle_duplicate(self, claim: Claim, duplicate: DuplicateSignal) -> None:
        """Let the next repetition be known at once. A claim beside a marker that held true may just expire."""
        if claim.held and not claim.marked:
            marked = dict.fromkeys(claims.keys(self.rule.identify(duplicate.existing)), duplicate.existing_id)
            self._settle(claim, marked, wake=False)


def _outcome(claim: Claim) -> str:
    if not claim.asked:
        return "unavailable"
    return "pending" if claim.pending else "free"
