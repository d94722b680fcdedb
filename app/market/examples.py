"""Example requests and responses of the API document. A test validates each against its schema."""

from __future__ import annotations

from typing import Any, Final

_PRICES: Final[dict[str, Any]] = {
    "open": [1.0712, 1.0731],
    "high": [1.0745, 1.0740],
    "low": [1.0698, 1.0722],
    "close": [1.0731, 1.0726],
    "volume": [18250, 17140],
}
COLUMNS: Final[dict[str, Any]] = {"time": ["2026-11-24T13:00:00Z", "2026-11-24T14:00:00Z"], **_PRICES}
STORED: Final[dict[str, Any]] = {
    "instrument": "EURUSD",
    "timeframe": "1h",
    "time": [1795525200000, 1795528800000],
    **_PRICES,
}
UPSERTED: Final[dict[str, Any]] = {"inserted": 1, "updated": 1}
