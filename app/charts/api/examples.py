"""Example responses of the API document. A test validates each against its schema."""

from __future__ import annotations

from typing import Any, Final

_ID: Final = "5f0c2d4e6b899a51f0c27d3e8a0190b1"

QUEUED: Final[dict[str, Any]] = {
    "id": _ID,
    "task_id": _ID,
    "type": "candlestick",
    "status": "queued",
    "attempts": 0,
    "width": 1200,
    "height": 675,
    "bytes": None,
    "image_url": None,
    "created_at": "2026-11-24T14:30:00.412807Z",
    "ready_at": None,
    "expires_at": None,
    "warnings": [],
    "error": None,
    "degraded": False,
    "alt": "",
}
READY: Final[dict[str, Any]] = QUEUED | {
    "status": "ready",
    "attempts": 1,
    "bytes": 48213,
    "image_url": f"/api/v1/charts/{_ID}.png",
    "ready_at": "2026-11-24T14:30:00.530118Z",
    "expires_at": "2026-12-24T14:30:00.530118Z",
    "alt": "Candlestick chart of AAPL, daily",
}
