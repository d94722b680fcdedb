"""Requests charts for the fault tests: small ones with distinct titles, repeated until the service accepts them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from typing import Any

from tests.faults.ledger import Connection

MAX_TRIES = 300


def a_chart(title: str, **changes: Any) -> dict[str, Any]:
    closes = [100 + (row * 37 % 11) for row in range(24)]
    data = {
        "time": [1_704_067_200_000 + row * 3_600_000 for row in range(24)],
        "open": closes,
        "high": [close + 2 for close in closes],
        "low": [close - 2 for close in closes],
        "close": closes,
    }
    return {"type": "candlestick", "title": title, "width": 160, "height": 120, "data": data, **changes}


def request_charts(address: str, titles: Iterable[str], **changes: Any) -> list[str]:
    """Request charts. Returns their ids after the service has accepted each of them."""
    connection = Connection(address)
    ids = [_request_chart(connection, json.dumps(a_chart(title, **changes)).encode()) for title in titles]
    connection.close()
    return ids


def _request_chart(connection: Connection, body: bytes) -> str:
    for _ in range(MAX_TRIES):
        status, document = connection.post("/api/v1/charts", body)
        if status in (200, 202):
            return str(document["id"])
        assert status in (0, 503), (status, document)
        time.sleep(0.1)
    raise AssertionError("the service accepted no chart")
