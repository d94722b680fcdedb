"""Metrics of rendering."""

from __future__ import annotations

from app.shared.metrics import FAST_BUCKETS, Counter, Histogram

RENDERS = Counter("media_render_total", "Charts drawn", ["type"])
RENDER_SECONDS = Histogram("media_render_seconds", "Seconds of drawing one chart", ["type"], buckets=FAST_BUCKETS)
RENDER_FAILURES = Counter("media_render_failures_total", "Renders that failed", ["type", "reason"])
PLACEHOLDERS = Counter("media_placeholders_total", "Placeholders given because a library could not be loaded", ["type"])
