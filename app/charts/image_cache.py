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

MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole image with its file's path, its validator, and the end of its time."""

    chart_id: str
    type: str
    format: str
    path: str
    etag: str
    expires_at: datetime

    @classmethod
    def of(cls, chart: Chart) -> Picture | None:
        """None while there is no image, and for a placeholder, of which nothing should outlive its fault."""
        if chart.status != service.READY or chart.degraded:
            return None
        if chart.path is None or chart.etag is None or chart.expires_at is None:
            return None
        return cls(chart.id, chart.type, chart.format, chart.path, chart.etag, chart.expires_at)


class ReadyPictures:
    """Thread-safe. With no TTL nothing is remembered."""

    def __init__(self, ttl_seconds: float, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._pictures: TTLCache[str, Picture] = TTLCache(MOST, ttl_seconds, timer)
        self._lock = threading.Lock()

    def get(self, chart_id: str, now: datetime) -> Picture | None:
        """The picture, unless its time is over."""
        with self._lock:
            found = self._pictures.get(chart_id)
        return found if found is not None and found.expires_at > now else None

    def keep(self, picture: Picture) -> None:
        with self._lock:
            self._pictures[picture.chart_id] = picture

    def forget(self, chart_id: str) -> None:
        with self._lock:
            self._pictures.pop(chart_id, None)
