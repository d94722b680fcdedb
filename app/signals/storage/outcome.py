"""What storing answers for each signal."""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from app.signals.domain import MatchedOn
from app.signals.models import SignalRow


class Existing(NamedTuple):
    """The signal is a duplicate of this stored one, by this rule."""

    signal: SignalRow
    matched_on: MatchedOn


class NotDone(Enum):
    """The signal is not stored, and no stored signal is the reason."""

    BUSY = auto()
    """Another transaction holds one of its locks. Only where the caller does not wait for locks."""
    ROLLED_BACK = auto()
    """It is new, but another signal of its atomic list is not."""


Outcome = SignalRow | Existing | NotDone
"""A row: the signal is stored as this."""
