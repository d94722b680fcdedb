"""What a signal is, and when two signals are duplicates. Pure."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.shared.errors import DomainError, ErrorKind, NotFound

SIDES: Final = ("buy", "sell")

MAX_LEVELS: Final = 20
MAX_DIGITS: Final = 18

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Status(StrEnum):
    """The status of a signal."""

    NEW = "new"


class MatchedOn(StrEnum):
    """The rule by which two signals are duplicates."""

    EXTERNAL_ID = "external_id"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class NewSignal:
    """A signal as its producer sent it. `time` is aware; `payload` holds JSON values whose decimals are Decimal."""

    producer_id: str
    instrument: str
    side: str
    price: Decimal
    time: datetime
    version: str = "1"
    external_id: str | None = None
    payload: Mapping[str, Any] = field(default_factory=dict)
    signed: bool = False
    timed: bool = True
    """Whether the producer sent the time. Otherwise it is the time of receipt."""


_COMPARED: Final = ("external_id", "instrument", "side", "price", "time", "version", "payload")


class Identity(NamedTuple):
    """The deduplication keys of a signal.

    `external_key` is empty without an external_id, and `bucket` is None without a window.
    """

    window_key: str
    external_key: str
    bucket: int | None


@dataclass(frozen=True, slots=True)
class DedupRule:
    """Signals equal in `fields` and less than `window_seconds` apart are duplicates; 0 seconds switch this rule off."""

    window_seconds: int
    fields: tuple[str, ...] = ("instrument", "version", "side")

    @property
    def window(self) -> timedelta:
        return timedelta(seconds=self.window_seconds)

    def key(self, signal: NewSignal) -> str:
        """Digest of the producer and the compared values. Only signals of equal keys can be duplicates by this rule."""
        values = [f"[{encoded}, {json.dumps(_value(signal, name))}]" for name, encoded in _sorted_names(self.fields)]
        return _digest(", ".join(['"window"', json.dumps(signal.producer_id), *values]))

    def identify(self, signal: NewSignal) -> Identity:
        return Identity(
            window_key=self.key(signal),
            external_key=external_key(signal.producer_id, signal.external_id) if signal.external_id is not None else "",
            bucket=self.bucket(signal) if self.window_seconds else None,
        )

    def bucket(self, signal: NewSignal) -> int:
        """Number of the period, as long as the window, that holds the signal's time.

        Two signals of one bucket are duplicates. Two of neighbouring buckets may be; only the database decides that.
        """
        return (signal.time - _EPOCH) // _MICROSECOND // (self.window_seconds * 1_000_000)


def external_key(producer_id: str, external_id: str) -> str:
    """Digest of the producer and the external_id, which only one stored signal may have."""
    return _digest(f'"external", {json.dumps(producer_id)}, {json.dumps(external_id)}')


def diff_fields(new: NewSignal, existing: NewSignal) -> list[str]:
    """Names of the fields that differ; empty for an exact repetition. A time that was not sent does not differ."""
    compared = (name for name in _COMPARED if new.timed or name != "time")
    return [name for name in compared if getattr(new, name) != getattr(existing, name)]


def levels(payload: Mapping[str, Any], name: str) -> tuple[Decimal, ...]:
    """Prices under `stop_loss` or `take_profit` of a checked payload: none, one, or a list of them."""
    value = payload.get(name)
    if value is None:
        return ()
    return tuple(Decimal(item) for item in (value if isinstance(value, list) else [value]))


class DuplicateSignal(DomainError):
    """A stored signal is the same. Names it, the rule, and the fields that differ."""

    kind, slug, title = ErrorKind.CONFLICT, "duplicate-signal", "The signal is already known"

    def __init__(self, new: NewSignal, existing_id: UUID, existing: NewSignal, matched_on: MatchedOn) -> None:
        super().__init__(f"signal {existing_id} is the same by {_RULES[matched_on]}")
        self.existing_id = existing_id
        self.existing = existing
        self.matched_on = matched_on
        self.differs = diff_fields(new, existing)

    @property
    def extra(self) -> dict[str, Any]:
        return {
            "existing_signal_id": str(self.existing_id),
            "matched_on": self.matched_on.value,
            "differs": self.differs,
        }


class UnknownSignal(NotFound):
    def __init__(self, signal_id: str) -> None:
        super().__init__(f"there is no signal {signal_id}")


_RULES: Final = {
    MatchedOn.EXTERNAL_ID: "its external_id",
    MatchedOn.WINDOW: "its time, less than the deduplication window away",
}


def _value(signal: NewSignal, name: str) -> Any:
    head, _, key = name.partition(".")
    return signal.payload.get(key) if head == "payload" else getattr(signal, head)


@functools.cache
def _sorted_names(fields: tuple[str, ...]) -> list[tuple[str, str]]:
    """The names in order, each with its form in JSON."""
    return [(name, json.dumps(name)) for name in sorted(fields)]


def _digest(values: str) -> str:
    """SHA-256 of a JSON array as json.dumps writes it. Encoding single texts is much faster than encoding arrays."""
    return hashlib.sha256(f"[{values}]".encode()).hexdigest()
