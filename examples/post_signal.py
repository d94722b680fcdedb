#!/usr/bin/env python3
"""Posts one signal, signed as Standard Webhooks does, and sends it again until it is known to be stored.

    SIGNALBOX=https://signals.example.com SIGNALS_HMAC_KEY=... ./post_signal.py AAPL buy 187.20 --stop-loss 184

Needs nothing but Python 3.11. Sending again is safe: the same webhook-id is stored once, and the answer 409 to a second
try only says that the first one arrived.
"""

from __future__ import annotations

import argparse
import base64
import hmac
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any, Final

TRIES: Final = 5
STORED: Final = (201, 409)
FOR_NOW: Final = (429, 500, 502, 503, 504)


def signed(body: bytes, key: str, message_id: str, timestamp: int) -> dict[str, str]:
    """The headers that prove who sent the body, and when."""
    secret = base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()
    signature = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, float, str]:
    """Status, seconds to wait before the next try, and text of the answer; status 0 where none came."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - the caller's own address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - same
            return answer.status, 0.0, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, float(refusal.headers.get("Retry-After") or 0), refusal.read().decode()
    except OSError as error:
        return 0, 0.0, str(error)


def send(url: str, signal: Mapping[str, Any], producer: str, key: str) -> tuple[int, str]:
    """Send until it is stored or refused for good: each try with a new timestamp, all with one webhook-id."""
    body = json.dumps(signal).encode()
    message_id = f"msg_{uuid.uuid4().hex}"
    headers = {"Content-Type": "application/json", "X-Producer-Id": producer}
    status, told = 0, ""
    for attempt in range(TRIES):
        proof = signed(body, key, message_id, int(time.time())) if key else {}  # noqa: TID251 - a sender has its own clock
        status, wait, told = post(url, body, headers | proof)
        if status and status not in FOR_NOW:
            break
        time.sleep(max(wait, 0.5 * 2**attempt) if attempt < TRIES - 1 else 0)
    return status, told


def main() -> int:
    parser = argparse.ArgumentParser(description="Post one signal.")
    parser.add_argument("instrument")
    parser.add_argument("side", choices=["buy", "sell"])
    parser.add_argument("price", help="a text, so that no digit is lost")
    parser.add_argument("--stop-loss")
    parser.add_argument("--take-profit", nargs="+")
    parser.add_argument("--producer", default="desk-1")
    given = parser.parse_args()
    levels = {"stop_loss": given.stop_loss, "take_profit": given.take_profit}
    signal = {
        # Named by its sender, so that a signal sent again is the same even where it is not signed.
        "external_id": f"py-{uuid.uuid4().hex}",
        "instrument": given.instrument,
        "side": given.side,
        "price": given.price,
        "payload": {name: value for name, value in levels.items() if value is not None},
    }
    address = os.environ.get("SIGNALBOX", "http://127.0.0.1:8000")  # noqa: TID251 - a script of its own
    key = os.environ.get("SIGNALS_HMAC_KEY", "")  # noqa: TID251 - same
    status, told = send(f"{address}/api/v1/signals", signal, given.producer, key)
    print(told)
    return 0 if status in STORED else 1


if __name__ == "__main__":
    sys.exit(main())
