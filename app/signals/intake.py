"""The way of signals from their claim to their commit and the wake-up after it; every door for signals leads here.

It joins the slice's fast path to its service, which must not know each other, and needs no web request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from uuid import UUID

from app.events import service as events
from app.payloads import service as payloads
from app.payloads.domain import Rules
from app.payloads.registry import Registry
from app.resources import Resources
from app.shared import failpoints
from app.shared.db import Database, uuid7
from app.shared.errors import DomainError, Unavailable
from app.shared.metrics import LimitedLabel
from app.shared.queue import DISPATCH, EVENTS, Queue
from app.signals import bulk, claims, metrics, single
from app.signals.batch import DuplicateInBatch, Item
from app.signals.claims import Claim, Claims
from app.signals.domain import DedupRule, DuplicateSignal, Identity, NewSignal
from app.signals.models import SignalRow


@dataclass(frozen=True, slots=True)
class Intake:
    database: Database
    claims: Claims
    queue: Queue
    rule: DedupRule
    instruments: LimitedLabel
    payloads: Registry

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
        identity = self.rule.identify(new)
        keys = claims.keys(identity)
        claim = self.claims.take(keys)
        failpoints.reach("after_claim_key")
        try:
            self._refuse_known(new, identity, claim)
            signal = self._store(new, identity, now, request_id)
        except DuplicateSignal as duplicate:
            self._settle_duplicate(claim, duplicate)
            raise
        except BaseException:
            self.claims.release(claim)
            raise
        failpoints.reach("after_commit")
        if self.claims.settle(claim, dict.fromkeys(keys, signal.id), wake=EVENTS):
            self.queue.publish(DISPATCH, EVENTS)
            failpoints.reach("after_publish")
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
            verdicts = self._all_known(items, keys, claim, atomic=atomic)
            if verdicts is None:
                verdicts = self._store_all(items, now, request_id, atomic=atomic)
        except BaseException:
            self.claims.release(claim)
            raise
        failpoints.reach("after_commit")
        self._settle_all(claim, list(zip(keys.values(), verdicts, strict=True)))
        return verdicts

    def _refuse_known(self, new: NewSignal, identity: Identity, claim: Claim) -> None:
        """Raise DuplicateSignal for a marker that holds true; forget one that does not."""
        if not claim.marked:
            metrics.DEDUP.labels("redis", _outcome(claim)).inc()
            return
        duplicate = single.find_duplicate(self.database, new, identity, self.rule)
        metrics.DEDUP.labels("redis", "duplicate" if duplicate else "stale").inc()
        if duplicate is not None:
            raise duplicate
        self.claims.forget(claim.marked)

    def _store(self, new: NewSignal, identity: Identity, now: datetime, request_id: str) -> SignalRow:
        signal = single.store(self.database, new, identity, self.rule, now=now, request_id=request_id)
        if signal is None:
            metrics.DEDUP.labels("database", "duplicate").inc()
            # Only a signal deleted between the two statements leaves nothing to be found.
            gone = Unavailable("what this one repeats was just deleted", retry_after=1)
            raise single.find_duplicate(self.database, new, identity, self.rule) or gone
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

    def _store_all(
        self, items: Sequence[Item], now: datetime, request_id: str, *, atomic: bool
    ) -> list[SignalRow | DomainError]:
        with self.database.transaction() as session:
            verdicts = bulk.ingest(session, items, now=now, rule=self.rule, atomic=atomic)
            stored = [str(verdict.id) for verdict in verdicts if isinstance(verdict, SignalRow)]
            events.append_all(session, events.SIGNAL_RECEIVED, stored, now=now, request_id=request_id)
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
        if self.claims.settle(claim, marked, wake=EVENTS if new else ""):
            self.queue.publish(DISPATCH, EVENTS)
            failpoints.reach("after_publish")

    def _settle_duplicate(self, claim: Claim, duplicate: DuplicateSignal) -> None:
        """Let the next repetition be known at once. A claim beside a marker that held true may just expire."""
        if claim.held and not claim.marked:
            marked = dict.fromkeys(claims.keys(self.rule.identify(duplicate.existing)), duplicate.existing_id)
            self.claims.settle(claim, marked)


def _outcome(claim: Claim) -> str:
    if not claim.asked:
        return "unavailable"
    return "pending" if claim.pending else "free"
