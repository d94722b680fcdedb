"""The table of bars: one row for each bar, with the key by which charts read them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Float, String
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base


class Bar(Base):
    __tablename__ = "bars"

    instrument: Mapped[str] = mapped_column(String(32), primary_key=True)
    timeframe: Mapped[str] = mapped_column(String(4), primary_key=True)
    time: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    """Start of the bar in epoch milliseconds, UTC."""
    open: Mapped[float] = mapped_column(Float(53))
    high: Mapped[float] = mapped_column(Float(53))
    low: Mapped[float] = mapped_column(Float(53))
    close: Mapped[float] = mapped_column(Float(53))
    volume: Mapped[float | None] = mapped_column(Float(53))
