"""The tables of payload schemas and of strict producers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.shared.db import Base, UtcDateTime


class StoredSchema(Base):
    __tablename__ = "payload_schemas"

    producer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    version: Mapped[str] = mapped_column(String(20), primary_key=True)
    document: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the document, by which a process knows a schema that it has loaded before."""
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StrictProducer(Base):
    """A producer whose signals need a version that has a schema."""

    __tablename__ = "strict_producers"

    producer_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(UtcDateTime)
