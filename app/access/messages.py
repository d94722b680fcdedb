"""Binds a message signed with a key of several producers to the one that sends it first. The database decides.

The binding is a transaction of its own before the signals of the message are judged: a message whose signals are
refused is bound too. It does not wait for the disk. The log of either database is written in order, so the binding is
on disk before the signals of the message are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, cast

from sqlalchemy import Table, delete, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Session

from app.access.models import SignedMessage
from app.shared.db import Database

_BIND: Final = """
INSERT INTO signed_messages AS known (digest, producer_id, received_at)
SELECT digest, $2::text, $3::timestamptz
FROM unnest($1::text[]) AS digest, set_config('synchronous_commit', 'off', true)
ON CONFLICT (digest) DO UPDATE SET digest = known.digest
RETURNING producer_id
"""
"""The update changes nothing: it waits for a concurrent binding of the same message, and returns its row."""

_TABLE: Final = cast("Table", SignedMessage.__table__)
_BIND_IN_SQLITE: Final = (
    sqlite.insert(_TABLE)
    .on_conflict_do_update(index_elements=[_TABLE.c.digest], set_={"digest": _TABLE.c.digest})
    .returning(_TABLE.c.producer_id)
)


def bind(database: Database, digests: Sequence[str], producer_id: str, *, now: datetime) -> bool:
    """Bind a message to the producer unless another one has sent it; whether it is this producer's.

    `digests` are those of all signatures that the producer could have given the message. Idempotent. Of concurrent
    producers one gets the message. Raises what the database raises.
    """
    # In one order, so that two transactions never wait for each other.
    ordered = sorted(digests)
    if database.is_sqlite:
        owners = _bind_in_sqlite(database, ordered, producer_id, now)
    else:
        owners = [owner for (owner,) in database.execute_raw(_BIND, (ordered, producer_id, now))]
    return all(owner == producer_id for owner in owners)


def forget(session: Session, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` messages that came before then; returns their number."""
    old = select(SignedMessage.digest).where(SignedMessage.received_at < before).limit(limit)
    statement = delete(SignedMessage).where(SignedMessage.digest.in_(old))
    return len(session.execute(statement.returning(SignedMessage.digest)).all())


def _bind_in_sqlite(database: Database, digests: Sequence[str], producer_id: str, now: datetime) -> list[str]:
    with database.transaction(durable=False) as session:
        connection = session.connection()
        rows = ({"digest": digest, "producer_id": producer_id, "received_at": now} for digest in digests)
        return [connection.execute(_BIND_IN_SQLITE, row).scalar_one() for row in rows]
