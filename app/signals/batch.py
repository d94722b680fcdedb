"""Signals on their way into storage, and the refusals that only a batch of them knows. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from app.shared.errors import DomainError, ErrorKind
from app.signals.domain import DuplicateSignal, Identity, MatchedOn, NewSignal, diff_fields


class IncomingSignal(NamedTuple):
    """A signal with its place in its batch, its keys, the id it gets if it is stored, and the request it came by."""

    position: int
    new: NewSignal
    identity: Identity
    id: UUID
    received_at: datetime
    request_id: str


class DuplicateInBatch(DomainError):
    """An earlier signal of the same batch is the same. `existing_id` is None where nothing is stored."""

    kind, slug, title = DuplicateSignal.kind, DuplicateSignal.slug, DuplicateSignal.title

    def __init__(self, new: NewSignal, earlier: IncomingSignal, matched_on: MatchedOn, *, stored: bool) -> None:
        super().__init__(f"item {earlier.position} of this batch is the same")
        self.earlier = earlier
        self.matched_on = matched_on
        self.differs = diff_fields(new, earlier.new)
        self.existing_id = earlier.id if stored else None

    @property
    def extra(self) -> dict[str, Any]:
        existing = {"existing_signal_id": str(self.existing_id)} if self.existing_id is not None else {}
        return existing | {
            "duplicate_of_index": self.earlier.position,
            "matched_on": self.matched_on.value,
            "differs": self.differs,
        }


class NotStored(DomainError):
    """The signal itself is in order, but another one of its atomic batch was refused."""

    kind, slug, title = ErrorKind.FAILED_DEPENDENCY, "batch-refused", "The batch it came in was refused"

    def __init__(self) -> None:
        super().__init__("another signal of this atomic batch was refused, so none is stored")
