"""The most expensive chart requests that the limits accept, for the tests of the cost of drawing."""

from __future__ import annotations

import math
from typing import Any, Final

from app.market.domain import MAX_BARS

START_MS: Final = 1_700_000_000_000
MINUTE_MS: Final = 60_000
LARGE: Final = {"width": 3000, "height": 3000}
MANY: Final = 300
IDEOGRAPHS: Final = 0x4E00

Request = dict[str, Any]


def zigzag(count: int = MAX_BARS, *, start: int = START_MS, step: int = MINUTE_MS) -> dict[str, list[Any]]:
    """Bars whose close crosses the whole chart from one to the next."""
    close = [100 + 30 * (1 if index % 2 else -1) * (1 - 0.3 * math.sin(index)) for index in range(count)]
    opened = [100.0, *close[:-1]]
    return {
        "time": [start + index * step for index in range(count)],
        "open": opened,
        "high": [max(pair) + 5 for pair in zip(opened, close, strict=True)],
        "low": [min(pair) - 5 for pair in zip(opened, close, strict=True)],
        "close": close,
        "volume": [1000.0 + 100 * (index % 7) for index in range(count)],
    }


def text(number: int) -> str:
    """A label as long as allowed, of characters that no other label has."""
    return "".join(chr(IDEOGRAPHS + (200 * number + place) % 20_000) for place in range(200))


def _at(index: int) -> int:
    return START_MS + index * MINUTE_MS


def _order(number: int, label: str = "") -> dict[str, Any]:
    prices = {"entry": 100 + number / 50, "stop": 40 + number / 9, "targets": [150 + target for target in range(20)]}
    return {"kind": "order", "side": "buy", "from": _at(number // 2), "to": _at(number // 2 + 100), **prices}


def _zone(number: int, label: str = "") -> dict[str, Any]:
    return {"kind": "zone", "from": _at(number // 3), "to": _at(number // 3 + 200), "label": label}


def _signal(number: int, label: str = "") -> dict[str, Any]:
    return {"kind": "signal", "side": "sell", "time": _at(number), "price": 90 + number / 10, "label": label}


def _hline(number: int, label: str = "") -> dict[str, Any]:
    return {"kind": "hline", "price": 50 + number / 3, "label": label}


def _vline(number: int, label: str = "") -> dict[str, Any]:
    return {"kind": "vline", "time": _at(number), "label": label}


_MARKS: Final = {"order": _order, "zone": _zone, "signal": _signal, "hline": _hline, "vline": _vline}
_AVERAGE: Final = {"kind": "wma", "period": 2}
_BAND: Final = {"kind": "bollinger", "period": 3, "multiplier": 1}


def _line(count: int = MAX_BARS, **more: Any) -> Request:
    return {"type": "line", "data": zigzag(count), **LARGE, **more}


def _everything(**more: Any) -> Request:
    marks = [mark(number, text(number)) for number in range(MANY // 5) for mark in _MARKS.values()]
    panels = [{"kind": "macd", "fast": 2, "slow": 3, "signal": 2}] * 6
    return _line(
        overlays=[_BAND] * 8 + [{"kind": "volume_profile", "rows": 500}] * 4, panels=panels, annotations=marks, **more
    )


def requests() -> dict[str, Request]:
    """Requests by name: each field at its most expensive value, alone and with the others. Limits may refuse some."""
    curve = zigzag()
    equity = {"type": "equity", "data": {"time": curve["time"], "equity": curve["close"]}, **LARGE}
    ages = zigzag(start=-2_200_000_000_000, step=470_000_000)
    brick = {"mode": "fixed", "size": 61}
    specs: dict[str, Request] = {
        "equity": equity,
        "equity_webp": {**equity, "format": "webp"},
        "equity_svg": {**equity, "format": "svg"},
        "equity_scale_3": {**equity, "width": 1000, "height": 1000, "scale": 3},
        "histogram": {"type": "histogram", "data": {"values": curve["close"]}, "bins": 500, **LARGE},
        "renko": {"type": "renko", "data": curve, "brick": brick, **LARGE},
        "averages": _line(overlays=[_AVERAGE] * 12),
        "bands": _line(overlays=[_BAND] * 9),
        "too_many_bands": _line(overlays=[_BAND] * 12),
        "sparse_bands": _line(400, overlays=[_BAND] * 9),
        "sparse_bands_webp": _line(400, overlays=[_BAND] * 6, format="webp"),
        "profiles": _line(overlays=[{"kind": "volume_profile", "rows": 500}] * 12),
        "sessions": {**_line(overlays=[{"kind": "vwap"}] * 12, timezone="America/New_York"), "data": ages},
        "rsi": _line(panels=[{"kind": "rsi", "period": 2}] * 6),
        "macd": _line(panels=[{"kind": "macd", "fast": 2, "slow": 3, "signal": 1}] * 6),
        "drawdown": _line(panels=[{"kind": "drawdown"}] * 6),
        "everything": _everything(),
        "everything_webp": _everything(format="webp"),
        "everything_svg": _everything(format="svg"),
        "everything_smaller": _everything(width=1500, height=1500),
    }
    for kind in ("candlestick", "ohlc", "area", "heikin_ashi"):
        specs[kind] = {"type": kind, "data": curve, "theme": "colorblind", "y_scale": "log", **LARGE}
    for kind, mark in _MARKS.items():
        specs[f"{kind}s"] = _line(MANY, annotations=[mark(number, text(number)) for number in range(MANY)])
    return specs
