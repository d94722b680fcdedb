"""What becomes of many signals told at once: the same as if they had come one after another. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.shared.errors import DomainError, ErrorKind
from app.signals.domain import DedupRule, DuplicateSignal, Identity, MatchedOn, NewSignal, diff_fields

Stored = Mapping[tuple[int, MatchedOn], tuple[UUID, NewSignal]]
"""Stored signals that an item repeats, by the item's place and the rule."""


@dataclass(frozen=True, slots=True)
class Item:
    """A signal with its place in the batch, the id it will have if it is accepted, and by what it is known again."""

    index: int
    new: NewSignal
    id: UUID
    identity: Identity


class DuplicateInBatch(DomainError):
    """The signal is one that stands earlier in the same batch. `existing_id` is None where nothing is stored."""

    kind, slug, title = DuplicateSignal.kind, DuplicateSignal.slug, DuplicateSignal.title

    def __init__(self, new: NewSignal, earlier: Item, matched_on: MatchedOn, *, stored: bool) -> None:
        super().__init__(f"item {earlier.index} of this batch is the same")
        self.earlier = earlier
        self.matched_on = matched_on
        self.differs = diff_fields(new, earlier.new)
        self.existing_id = earlier.id if stored else None

    @property
    def extra(self) -> dict[str, Any]:
        named = {"existing_signal_id": str(self.existing_id)} if self.existing_id is not None else {}
        told = {"duplicate_of_index": self.earlier.index, "matched_on": self.matched_on.value, "differs": self.differs}
        return named | told


class NotStored(DomainError):
    """Nothing is wrong with the signal, but another one of its atomic batch was refused."""

    kind, slug, title = ErrorKind.FAILED_DEPENDENCY, "batch-refused", "The batch it came in was refused"

    def __init__(self) -> None:
        super().__init__("another signal of this atomic batch was refused, so none is stored")


Refusal = DuplicateSignal | DuplicateInBatch


def refusals(items: Sequence[Item], stored: Stored, rule: DedupRule, *, atomic: bool) -> dict[int, Refusal]:
    """Why items are refused, by their place; those that are not named are new.

    An item is compared with what is stored and with the accepted items before it, by external_id first.
    """
    refused: dict[int, Refusal] = {}
    by_external_id: dict[str, Item] = {}
    by_key: dict[str, list[Item]] = {}
    for item in items:
        same = _known(item, stored) or _earlier(item, by_external_id, by_key, rule, atomic=atomic)
        if same is not None:
            refused[item.index] = same
            continue
        if item.new.external_id is not None:
            by_external_id[item.new.external_id] = item
        by_key.setdefault(item.identity.window_key, []).append(item)
    return refused


def _known(item: Item, stored: Stored) -> DuplicateSignal | None:
    for matched_on in MatchedOn:
        found = stored.get((item.index, matched_on))
        if found is not None:
            return DuplicateSignal(item.new, *found, matched_on)
    return None


def _earlier(
    item: Item, by_external_id: Mapping[str, Item], by_key: Mapping[str, list[Item]], rule: DedupRule, *, atomic: bool
) -> DuplicateInBatch | None:
    earlier = by_external_id.get(item.new.external_id or "")
    if earlier is not None:
        return DuplicateInBatch(item.new, earlier, MatchedOn.EXTERNAL_ID, stored=not atomic)
    for earlier in by_key.get(item.identity.window_key, ()):
        if abs(earlier.new.time - item.new.time) < rule.window:
            return DuplicateInBatch(item.new, earlier, MatchedOn.WINDOW, stored=not atomic)
    return None
