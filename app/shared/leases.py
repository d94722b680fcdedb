"""Leases in the database: one process of any number does the periodic work of a period."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import String, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from app.shared.db import Base, UtcDateTime


class Lease(Base):
    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    until: Mapped[datetime] = mapped_column(UtcDateTime)


def take(session: Session, name: str, now: datetime, seconds: float) -> bool:
    """Take the lease for `seconds`; whether it was free. Nobody else gets it until then.

    Raises IntegrityError when two processes make the very first lease of a name at once: the later one lost.
    """
    until = now + timedelta(seconds=seconds)
    lease = session.execute(
        update(Lease).where(Lease.name == name, Lease.until <= now).values(until=until).returning(Lease.name)
    ).first()
    if lease is not None:
        return True
    if session.scalar(select(Lease.name).where(Lease.name == name)) is not None:
        return False
    session.execute(insert(Lease).values(name=name, until=until))
    return True
