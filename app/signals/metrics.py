"""Metrics of signals. The only label that callers choose, the instrument, is limited where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.shared.metrics import FAST_BUCKETS, Counter, Histogram

INGESTED: Final = Counter("signals_ingested_total", "Signals accepted and stored", ["instrument", "side"])
REJECTED: Final = Counter("signals_rejected_total", "Signals refused, by the slug of the problem", ["reason"])
CREATE_SECONDS: Final = Histogram(
    "signals_create_seconds",
    "Time from the end of the request head to the response to a posted signal",
    buckets=FAST_BUCKETS,
)
DUPLICATES: Final = Counter(
    "signals_duplicates_total",
    "Signals refused as duplicates, by entry point (api, batch, hook) and content (same, differs)",
    ["source", "content"],
)
DEDUP: Final = Counter(
    "signals_dedup_total",
    "Answers about posted signals: memory (duplicate), redis (free, pending, duplicate, stale, unavailable), "
    "database (new, duplicate)",
    ["path", "outcome"],
)


def count_duplicate(source: str, differs: Sequence[str]) -> None:
    """Count a refused duplicate. `differs` names the fields in which it differs from the stored signal."""
    DUPLICATES.labels(source, "differs" if differs else "same").inc()
