"""Posts one signal over HTTP, waits for its chart, and checks the image and its file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from app.shared.clock import epoch_ms, utc_now
from config import Settings
from launcher import picture, terminal
from launcher.api import ApiClient, sign
from launcher.refusal import Refusal

INSTRUMENT: Final = "AAPL"
TIMEFRAME: Final = "1d"
# The chart shows this many bars after the entry; the entry is chosen among this many bars at the end.
BARS_AFTER: Final = 8
BARS_SEARCHED: Final = 40
CHART_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
PRODUCER: Final = "demo"


@dataclass(frozen=True)
class Demo:
    """The stored signal, its chart, and the chart's file."""

    signal: dict[str, Any]
    chart: dict[str, Any]
    file: Path


def play(api: ApiClient, settings: Settings, pulse: Callable[[], None]) -> Demo:
    """Raises Refusal with the reason when any step fails. `pulse` is called while waiting and may raise as well."""
    signal = _post(api, settings, compose(_bars(api), uuid4()))
    chart = _wait(api, signal["id"], pulse)
    if chart["status"] != "ready":
        raise Refusal(f"the chart of signal {signal['id']} is {chart['status']}: {chart.get('error')}")
    if chart["degraded"]:
        raise Refusal("the chart is only a placeholder: matplotlib or Pillow cannot be imported")
    served = api.get(f"/api/v1/signals/{signal['id']}/chart.png")
    picture.check(served.body, chart["width"], chart["height"])
    return Demo(signal, chart, _file(settings.media_dir, chart["id"], served.body))


def compose(bars: dict[str, Any], token: UUID) -> bytes:
    """A buy at the lowest close of the last weeks, stop below the lowest low, targets at two and three times the risk.

    Every start posts a signal at the same bar. Its external_id and its version, both part of deduplication, are
    therefore new each time. The stop changes slightly as well: an equal chart would come from the cache, without work
    for the worker.
    """
    candidates = range(max(0, len(bars["time"]) - BARS_SEARCHED), max(1, len(bars["time"]) - BARS_AFTER))
    entry = min(candidates, key=lambda row: float(bars["close"][row]))
    price = float(bars["close"][entry])
    below = 0.005 + token.int % 1000 / 100_000
    stop = round(min(float(bars["low"][row]) for row in candidates) * (1 - below), 2)
    targets = [round(price + times * (price - stop), 2) for times in (2, 3)]
    signal = {
        "instrument": INSTRUMENT,
        "side": "buy",
        "price": str(bars["close"][entry]),
        "time": bars["time"][entry],
        "version": f"demo-{token.hex[:12]}",
        "external_id": f"demo-{token}",
        "payload": {"timeframe": TIMEFRAME, "stop_loss": stop, "take_profit": targets, "strategy": "demo"},
    }
    return json.dumps(signal).encode()


def _bars(api: ApiClient) -> dict[str, Any]:
    response = api.get(f"/api/v1/bars/{INSTRUMENT}/{TIMEFRAME}?limit={BARS_SEARCHED}")
    bars = response.document()
    if not bars.get("time"):
        raise Refusal(f"no bars of {INSTRUMENT} {TIMEFRAME} to show the signal on: {response}")
    return bars


def _post(api: ApiClient, settings: Settings, body: bytes) -> dict[str, Any]:
    headers = {"X-Producer-Id": PRODUCER}
    if settings.signals_hmac_enabled:
        headers |= sign(settings.signals_hmac_key, f"demo-{uuid4()}", epoch_ms(utc_now()) // 1000, body)
    response = api.post("/api/v1/signals", body, headers)
    if response.status != 201:  # noqa: PLR2004 - HTTP's own number
        raise Refusal(f"the demo signal was refused: {response}")
    return response.document()


def _wait(api: ApiClient, signal_id: str, pulse: Callable[[], None]) -> dict[str, Any]:
    """The chart's document once it is `ready` or `failed`. Until the chart exists, the API answers 404."""
    started = time.monotonic()
    response = api.get(f"/api/v1/signals/{signal_id}/chart")
    while response.document().get("status") not in ("ready", "failed"):
        waited = time.monotonic() - started
        if waited > CHART_SECONDS:
            raise Refusal(f"no chart of signal {signal_id} within {CHART_SECONDS:.0f} s: {response}")
        terminal.progress(f"waiting for the chart: {response.document().get('status', 'requested')}, {waited:.1f} s")
        pulse()
        time.sleep(POLL_SECONDS)
        response = api.get(f"/api/v1/signals/{signal_id}/chart")
    return response.document()


def _file(folder: Path, chart_id: str, served: bytes) -> Path:
    """The chart's file. Raises Refusal unless it holds the same bytes as the response."""
    for file in sorted(folder.rglob(f"*{chart_id}*.png")):
        if file.read_bytes() == served:
            return file.resolve()
    raise Refusal(f"no file under {folder} holds the chart {chart_id} as the API served it")
