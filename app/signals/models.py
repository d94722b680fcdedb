"""The table of signals. Its unique key and its window index serve the two rules of deduplication."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, ExactDecimal, UtcDateTime


class Signal(Base):
    __tablename__ = "signals"
    __table_args__ = (
        UniqueConstraint("producer_id", "external_id"),
        Index("ix_signals_window", "dedup_key", "time"),
        Index("ix_signals_instrument", "instrument", "id"),
        Index("ix_signals_producer", "producer_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    producer_id: Mapped[str] = mapped_column(String(64))
    external_id: Mapped[str | None] = mapped_column(String(128))
    instrument: Mapped[str] = mapped_column(String(32))
    side: Mapped[str] = mapped_column(String(4))
    price: Mapped[Decimal] = mapped_column(ExactDecimal)
    time: Mapped[datetime] = mapped_column(UtcDateTime)
    version: Mapped[str] = mapped_column(String(20))
    payload: Mapped[str] = mapped_column(Text)
    """The payload as exact JSON text: a JSON column would pass its numbers through floats."""
    status: Mapped[str] = mapped_column(String(16))
    signed: Mapped[bool]
    dedup_key: Mapped[str] = mapped_column(String(64))
    """Digest of the producer and the values that the window rule compares."""
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SignalRow(NamedTuple):
    """An immutable row of the table. It costs less than a mapped object and is made for every incoming signal."""

    id: UUID
    producer_id: str
    external_id: str | None
    instrument: str
    side: str
    price: Decimal
    time: datetime
    version: str
    payload: str
    status: str
    signed: bool
    dedup_key: str
    received_at: datetime
