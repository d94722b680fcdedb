#!/usr/bin/env python3
"""Posts one signal, signed by Standard Webhooks, and repeats the request until the signal is stored.

    SIGNALBOX=https://signals.example.com SIGNALS_HMAC_KEY=... ./post_signal.py AAPL buy 187.20 --stop-loss 184

Needs only Python 3.11. Repeating is safe: a webhook-id is stored once, and the response 409 to a repetition means that
the signal is stored already.
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
RETRYABLE: Final = (429, 500, 502, 503, 504)


def sign(body: bytes, key: str, message_id: str, timestamp: int) -> dict[str, str]:
    """The headers of a Standard Webhooks signature."""
    secret = base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()
    signature = hmac.digest(secret, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


def post(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, float, str]:
    """Status, seconds to wait before the next attempt, and text of the response. Status 0: no response."""
    request = urllib.request.Request(url, body, dict(headers), method="POST")  # noqa: S310 - the address that the user set
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 - same
            return response.status, 0.0, response.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, float(refusal.headers.get("Retry-After") or 0), refusal.read().decode()
    except OSError as error:
        return 0, 0.0, str(error)


def send(url: str, signal: Mapping[str, Any], producer: str, key: str) -> tuple[int, str]:
    """Send until the signal is stored or finally refused. Each attempt has a new timestamp, all have one webhook-id."""
    body = json.dumps(signal).encode()
    message_id = f"msg_{uuid.uuid4().hex}"
    headers = {"Content-Type": "application/json", "X-Producer-Id": producer}
    status, text = 0, ""
    for attempt in range(TRIES):
        signature = sign(body, key, message_id, int(time.time())) if key else {}  # noqa: TID251 - a sender has its own clock
        status, wait, text = post(url, body, headers | signature)
        if status and status not in RETRYABLE:
            break
        time.sleep(max(wait, 0.5 * 2**attempt) if attempt < TRIES - 1 else 0)
    return status, text


def main() -> int:
    parser = argparse.ArgumentParser(description="Post one signal.")
    parser.add_argument("instrument")
    parser.add_argument("side", choices=["buy", "sell"])
    parser.add_argument("price", help="sent as text, so that no digit is lost")
    parser.add_argument("--stop-loss")
    parser.add_argument("--take-profit", nargs="+")
    parser.add_argument("--producer", default="desk-1")
    options = parser.parse_args()
    levels = {"stop_loss": options.stop_loss, "take_profit": options.take_profit}
    signal = {
        # The sender's own id: a repetition is recognised even without a signature.
        "external_id": f"py-{uuid.uuid4().hex}",
        "instrument": options.instrument,
        "side": options.side,
        "price": options.price,
        "payload": {name: value for name, value in levels.items() if value is not None},
    }
    address = os.environ.get("SIGNALBOX", "http://127.0.0.1:8000")  # noqa: TID251 - a script of its own
    key = os.environ.get("SIGNALS_HMAC_KEY", "")  # noqa: TID251 - same
    status, text = send(f"{address}/api/v1/signals", signal, options.producer, key)
    print(text)
    return 0 if status in STORED else 1


if __name__ == "__main__":
    sys.exit(main())
