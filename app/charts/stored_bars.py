"""Reads the stored bars of a chart, including the earlier bars that its indicators need."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.charts.history import StoredBars
from app.market import service as market


def read(
    session: Session, instrument: str, timeframe: str, *, until_ms: int | None = None, visible: int, hidden: int
) -> StoredBars:
    """Read the last `visible` bars up to `until_ms` (epoch milliseconds), and up to `hidden` bars before them."""
    bars = market.read(session, instrument, timeframe, until_ms=until_ms, limit=visible + hidden)
    if bars.volume is None and len(bars) > visible:
        # Volume is given for all bars or for none. Hidden bars without volume must not remove it from the visible ones.
        visible_bars = market.read(session, instrument, timeframe, until_ms=until_ms, limit=visible)
        if visible_bars.volume is not None:
            bars = visible_bars
    return StoredBars(bars, min(visible, len(bars)))
