"""One signal from the outside in: post it, wait for the worker's chart, and look at the picture."""

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
from launcher.api import Api, signed
from launcher.refusal import Refusal

INSTRUMENT: Final = "AAPL"
TIMEFRAME: Final = "1d"
# Bars after the entry, so that the chart shows how it went; and bars before, among which the entry is chosen.
BARS_AFTER: Final = 8
BARS_SEARCHED: Final = 40
CHART_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
PRODUCER: Final = "demo"


@dataclass(frozen=True)
class Demo:
    """What came of it."""

    signal: dict[str, Any]
    chart: dict[str, Any]
    file: Path


def play(api: Api, settings: Settings, pulse: Callable[[], None]) -> Demo:
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
    """A buy at the lowest close of the last weeks, stop under the lowest low, targets at two and three times the risk.

    Every start sends this signal again, with a time that lies on the same bar. So its external id and its version,
    by which the window tells signals apart, are new each time. So is the stop, by a little: a chart equal to an
    earlier one would be there already, and prove nothing of the worker.
    """
    searched = range(max(0, len(bars["time"]) - BARS_SEARCHED), max(1, len(bars["time"]) - BARS_AFTER))
    entry = min(searched, key=lambda row: float(bars["close"][row]))
    price = float(bars["close"][entry])
    below = 0.005 + token.int % 1000 / 100_000
    stop = round(min(float(bars["low"][row]) for row in searched) * (1 - below), 2)
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


def _bars(api: Api) -> dict[str, Any]:
    answer = api.get(f"/api/v1/bars/{INSTRUMENT}/{TIMEFRAME}?limit={BARS_SEARCHED}")
    bars = answer.document()
    if not bars.get("time"):
        raise Refusal(f"no bars of {INSTRUMENT} {TIMEFRAME} to show the signal on: {answer}")
    return bars


def _post(api: Api, settings: Settings, body: bytes) -> dict[str, Any]:
    headers = {"X-Producer-Id": PRODUCER}
    if settings.signals_hmac_enabled:
        headers |= signed(settings.signals_hmac_key, f"demo-{uuid4()}", epoch_ms(utc_now()) // 1000, body)
    answer = api.post("/api/v1/signals", body, headers)
    if answer.status != 201:  # noqa: PLR2004 - HTTP's own number
        raise Refusal(f"the demo signal was not taken: {answer}")
    return answer.document()


def _wait(api: Api, signal_id: str, pulse: Callable[[], None]) -> dict[str, Any]:
    """The chart's document once it is ready or failed; a chart that is not there yet is waited for as well."""
    started = time.monotonic()
    answer = api.get(f"/api/v1/signals/{signal_id}/chart")
    while answer.document().get("status") not in ("ready", "failed"):
        waited = time.monotonic() - started
        if waited > CHART_SECONDS:
            raise Refusal(f"no chart of signal {signal_id} within {CHART_SECONDS:.0f} s: {answer}")
        terminal.progress(f"waiting for the chart: {answer.document().get('status', 'asked for')}, {waited:.1f} s")
        pulse()
        time.sleep(POLL_SECONDS)
        answer = api.get(f"/api/v1/signals/{signal_id}/chart")
    return answer.document()


def _file(folder: Path, chart_id: str, served: bytes) -> Path:
    """The chart's file, which must hold the very bytes that were served."""
    for file in sorted(folder.rglob(f"*{chart_id}*.png")):
        if file.read_bytes() == served:
            return file.resolve()
    raise Refusal(f"no file under {folder} holds the chart {chart_id} as it was served")
