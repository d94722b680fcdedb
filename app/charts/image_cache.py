"""What a process remembers of charts whose image is there, so that an image is answered without asking the database.

A ready row does not change until its file goes: remembering it is at worst serving an image for seconds longer.
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
    """A whole image with its file's path, its validator, and the end of its time."""

    chart_id: str
    type: str
    format: str
    path: str
    etag: str
    expires_at: datetime

    @classmethod
    def of(cls, chart: Chart) -> CachedImage | None:
        """None while there is no image, and for a placeholder, of which nothing should outlive its fault."""
        if chart.status != service.READY or chart.degraded:
            return None
        if chart.path is None or chart.etag is None or chart.expires_at is None:
            return None
        return cls(chart.id, chart.type, chart.format, chart.path, chart.etag, chart.expires_at)


class ImageCache:
    """Thread-safe. With no TTL nothing is remembered."""

    def __init__(self, ttl_seconds: float, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._images: TTLCache[str, CachedImage] = TTLCache(MAX_IMAGES, ttl_seconds, timer)
        self._lock = threading.Lock()

    def get(self, chart_id: str, now: datetime) -> CachedImage | None:
        """The image, unless its time is over."""
        with self._lock:
            image = self._images.get(chart_id)
        return image if image is not None and image.expires_at > now else None

    def put(self, image: CachedImage) -> None:
        with self._lock:
            self._images[image.chart_id] = image

    def remove(self, chart_id: str) -> None:
        with self._lock:
            self._images.pop(chart_id, None)
