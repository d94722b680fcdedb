"""The schedule of beat. Each task is idempotent and takes a lease, so a second beat does no harm."""

from __future__ import annotations

from typing import Any

from app.shared.queue import CLEAN_UP, MAINTENANCE, SWEEP
from config import Settings


def entries(settings: Settings) -> dict[str, dict[str, Any]]:
    return {
        "sweep": _every(settings.sweep_interval_seconds, SWEEP),
        "clean-up": _every(settings.cleanup_interval_seconds, CLEAN_UP),
    }


def _every(seconds: float, task: str) -> dict[str, Any]:
    # A message expires after one period: while no worker runs, later ones would only pile up behind it.
    return {"task": task, "schedule": seconds, "options": {"queue": MAINTENANCE, "expires": seconds}}
