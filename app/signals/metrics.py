"""What is counted about signals; the only labels a caller chooses are limited where they are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.shared.metrics import FAST_BUCKETS, Counter, Histogram

INGESTED: Final = Counter("signals_ingested_total", "Signals accepted and stored", ["instrument", "side"])
REJECTED: Final = Counter("signals_rejected_total", "Signals refused, by the slug of the problem", ["reason"])
CREATE_SECONDS: Final = Histogram(
    "signals_create_seconds", "Time from a read header to the answer of a posted signal", buckets=FAST_BUCKETS
)
DUPLICATES: Final = Counter(
    "signals_duplicates_total",
    "Signals refused as duplicates, by where they came in (api, batch, hook) and their content (same, differs)",
    ["source", "content"],
)
DEDUP: Final = Counter(
    "signals_dedup_total",
    "What each judge said: memory (duplicate), redis (free, pending, duplicate, stale, unavailable), "
    "database (new, duplicate)",
    ["path", "outcome"],
)


def count_duplicate(source: str, differs: Sequence[str]) -> None:
    """Count a refused duplicate. `differs` names the fields in which it is not like the stored signal."""
    DUPLICATES.labels(source, "differs" if differs else "same").inc()
