"""What the media slice counts. `type` is the type of the chart: one of few, never what a caller made up."""

from __future__ import annotations

from typing import Final

from app.shared.metrics import Counter, Gauge

CACHE_HITS: Final = Counter("media_cache_hits_total", "Images found in the process's cache or in Redis", ["type"])
CACHE_REQUESTS: Final = Counter(
    "media_cache_requests_total",
    "Look-ups of images: tier local, redis or disk; outcome hit, miss or error",
    ["type", "tier", "outcome"],
)
FILES_DELETED: Final = Counter("media_files_deleted_total", "Files deleted from disk", ["reason"])
BYTES: Final = Gauge(
    "media_bytes", "Bytes of all files on disk when they were last counted", multiprocess_mode="mostrecent"
)
