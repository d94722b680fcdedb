"""The table of hooks. Only the digest of a token is stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, UtcDateTime


class Hook(Base):
    __tablename__ = "hooks"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    token_digest: Mapped[str] = mapped_column(String(64), unique=True)
    producer_id: Mapped[str] = mapped_column(String(64))
    field_map: Mapped[dict[str, Any]] = mapped_column(JSON)
    """The sender's names, by field of the signal."""
    strip_exchange: Mapped[bool]
    allow_from: Mapped[list[str]] = mapped_column(JSON)
    """Networks that may send; if empty, all may."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
