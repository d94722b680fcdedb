"""The table of events: an append-only log, and the outbox of events that are not dispatched yet."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, Index, String, Text, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, UtcDateTime, partial_index


class Event(Base):
    __tablename__ = "events"
    __table_args__ = (
        partial_index("ix_events_undispatched", "id", where="dispatched_at IS NULL"),
        partial_index("ix_events_failed", "id", where="dispatched_at IS NOT NULL AND error IS NOT NULL"),
        Index("ix_events_dispatched_at", "dispatched_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    kind: Mapped[str] = mapped_column(String(64))
    subject: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    request_id: Mapped[str] = mapped_column(String(64), default="")
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str | None] = mapped_column(Text)
    """Why the last attempt to handle the event failed. With `dispatched_at` set, the event failed for good."""
