"""Metrics of rendering."""

from __future__ import annotations

from app.shared.metrics import FAST_BUCKETS, Counter, Histogram

RENDERS = Counter("media_render_total", "Charts drawn", ["type"])
RENDER_SECONDS = Histogram("media_render_seconds", "Seconds to draw one chart", ["type"], buckets=FAST_BUCKETS)
RENDER_FAILURES = Counter("media_render_failures_total", "Failed renders", ["type", "reason"])
PLACEHOLDERS = Counter(
    "media_placeholders_total", "Placeholder images drawn because Matplotlib or Pillow could not be imported", ["type"]
)
