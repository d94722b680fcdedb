"""Reads the stored bars of a chart, with those before them that its indicators should know."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.charts.history import StoredBars
from app.market import service as market


def read(
    session: Session, instrument: str, timeframe: str, *, until_ms: int | None = None, visible: int, hidden: int
) -> StoredBars:
    """The last `visible` stored bars up to `until_ms`, with up to `hidden` before them."""
    bars = market.read(session, instrument, timeframe, until_ms=until_ms, limit=visible + hidden)
    if bars.volume is None and len(bars) > visible:
        # Bars have a volume in all rows or in none: hidden ones without must not take it from those that are shown.
        shown = market.read(session, instrument, timeframe, until_ms=until_ms, limit=visible)
        if shown.volume is not None:
            bars = shown
    return StoredBars(bars, min(visible, len(bars)))
