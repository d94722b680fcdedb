"""Time: the machine's clock, and instants as epoch milliseconds and as RFC 3339 texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Clock = Callable[[], datetime]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)

_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_RECENT_SECONDS: Final = range(1_000_000_000, 10_000_000_000)  # 2001 to 2286


def utc_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - this is the clock that everything else is handed


def epoch_ms(moment: datetime) -> int:
    """Milliseconds since the epoch, rounded down."""
    return (moment - EPOCH) // MILLISECOND


def from_epoch_ms(milliseconds: int) -> datetime:
    """Raises OverflowError outside the years 1 to 9999."""
    return EPOCH + milliseconds * MILLISECOND


def looks_like_seconds(milliseconds: int) -> bool:
    """Whether a number of milliseconds is more likely a number of seconds: as such it lies in 2001 to 2286."""
    return milliseconds in _RECENT_SECONDS


def rfc3339(moment: datetime) -> str:
    """UTC with a Z; fractions only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parse_rfc3339(text: str) -> datetime:
    """An RFC 3339 text with an offset, as it was written; digits after the microsecond are cut off.

    Raises ValueError for any other text, and for a date or an offset that does not exist.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 time with an offset")
    return datetime.fromisoformat(text.upper())
