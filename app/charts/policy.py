"""The settings that govern a chart's life: queue limit, attempts, lease, retention."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.charts.rendering.version import engine_version
from config import Settings


@dataclass(frozen=True, slots=True)
class Policy:
    engine_version: str
    max_queue: int
    max_attempts: int
    lease: timedelta
    retention: timedelta
    sweep_after: timedelta
    """Time until the sweep repeats a wake-up message that had no effect."""

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        return cls(
            engine_version=engine_version(settings.font_folders),
            max_queue=settings.charts_max_queue,
            max_attempts=settings.charts_max_attempts,
            lease=timedelta(seconds=settings.charts_lease_seconds),
            retention=timedelta(days=settings.media_retention_days),
            sweep_after=timedelta(seconds=settings.sweep_interval_seconds),
        )
