"""The table of signed messages and their producers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, UtcDateTime


class SignedMessage(Base):
    __tablename__ = "signed_messages"
    __table_args__ = (Index("ix_signed_messages_received_at", "received_at"),)

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    """SHA-256 of the signature in hex: a reader of the table cannot replay the message."""
    producer_id: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """When it came first. After twice the tolerance nobody can send it again."""
