"""The table of charts. Each row is a render job and, once drawn, the record of its image file."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Float, ForeignKey, Index, Integer, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, UtcDateTime, partial_index


class Chart(Base):
    __tablename__ = "charts"
    __table_args__ = (
        partial_index("ix_charts_due", "owner", "due_at", where="due_at IS NOT NULL"),
        partial_index("ix_charts_turn", "turn", "created_at", where="turn IS NOT NULL"),
        partial_index("ix_charts_owner_turn", "owner", "turn", where="turn IS NOT NULL"),
        Index("ix_charts_status", "status", "created_at"),
        Index("ix_charts_expires_at", "expires_at"),
    )

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    type: Mapped[str] = mapped_column(String(16))
    format: Mapped[str] = mapped_column(String(4))
    spec: Mapped[str] = mapped_column(Text, deferred=True)
    """The canonical spec with its data."""
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the sweep looks at this row again. Null once it is drawn or has failed for good."""
    turn: Mapped[float | None] = mapped_column(Float)
    """Service tag of a queued chart: workers claim the lowest first. Null otherwise. See `service.request_chart`."""
    lease_token: Mapped[UUID | None] = mapped_column(Uuid)
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)
    path: Mapped[str | None] = mapped_column(String(255))
    """The path of the image in the media store."""
    etag: Mapped[str | None] = mapped_column(String(64))
    bytes: Mapped[int | None] = mapped_column(Integer)
    width: Mapped[int] = mapped_column(Integer)
    height: Mapped[int] = mapped_column(Integer)
    warnings: Mapped[list[Any]] = mapped_column(JSON, default=list)
    alt: Mapped[str] = mapped_column(Text, default="")
    degraded: Mapped[bool] = mapped_column(default=False)
    request_id: Mapped[str] = mapped_column(String(64), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ready_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignalChart(Base):
    """The chart that was drawn for a signal."""

    __tablename__ = "signal_charts"

    signal_id: Mapped[UUID] = mapped_column(ForeignKey("signals.id"), primary_key=True)
    chart_id: Mapped[str] = mapped_column(ForeignKey("charts.id"))
