"""A cache of ready charts in each web process, so that an image is served without a query.

The row of a ready chart does not change until its image is removed. At worst an image is served a few seconds longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cachetools import TTLCache

from app.charts import service
from app.charts.models import Chart

MAX_IMAGES: Final = 10_000


@dataclass(frozen=True, slots=True)
class CachedImage:
    """What is needed to serve the image of a ready chart: its path in the media store, ETag and expiry."""

    chart_id: str
    type: str
    format: str
    path: str
    etag: str
    expires_at: datetime

    @classmethod
    def of(cls, chart: Chart) -> CachedImage | None:
        """Return None for a chart without an image, and for a placeholder, which must not outlive its cause."""
        if chart.status != service.READY or chart.degraded:
            return None
        if chart.path is None or chart.etag is None or chart.expires_at is None:
            return None
        return cls(chart.id, chart.type, chart.format, chart.path, chart.etag, chart.expires_at)


class ImageCache:
    """Maps chart ids to their images for `ttl_seconds`. Stores nothing when that is 0. Thread-safe."""

    def __init__(self, ttl_seconds: float, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._images: TTLCache[str, CachedImage] = TTLCache(MAX_IMAGES, ttl_seconds, timer)
        self._lock = threading.Lock()

    def get(self, chart_id: str, now: datetime) -> CachedImage | None:
        """Return the image unless it has expired."""
        with self._lock:
            image = self._images.get(chart_id)
        return image if image is not None and image.expires_at > now else None

    def put(self, image: CachedImage) -> None:
        with self._lock:
            self._images[image.chart_id] = image

    def remove(self, chart_id: str) -> None:
        with self._lock:
            self._images.pop(chart_id, None)
