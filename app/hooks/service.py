"""Makes hooks, finds the one an address belongs to, revokes them. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.hooks.domain import Address, Network, Translation, UnknownHook, digest, may_use, networks, new_token
from app.hooks.models import Hook
from app.shared import logs
from app.shared.db import uuid7

log = logs.get_logger(__name__)


def create(
    session: Session, producer_id: str, translation: Translation, *, allow_from: Sequence[Network], now: datetime
) -> tuple[Hook, str]:
    """A new hook and its token, which nothing can tell again."""
    token = new_token()
    hook = Hook(
        id=uuid7(),
        token_digest=digest(token),
        producer_id=producer_id,
        field_map=dict(translation.names),
        strip_exchange=translation.strip_exchange,
        allow_from=[str(network) for network in allow_from],
        created_at=now,
    )
    session.add(hook)
    session.flush()
    return hook, token


def find(session: Session, token: str, *, address: Address | None) -> Hook:
    """The hook of this token, for a sender at this address. Raises UnknownHook, whatever the reason."""
    hook = session.scalars(select(Hook).where(Hook.token_digest == digest(token), Hook.revoked_at.is_(None))).first()
    if hook is None:
        raise UnknownHook
    if not may_use(networks(hook.allow_from), address):
        log.warning("hook_refused_sender", hook_id=str(hook.id), address=str(address))
        raise UnknownHook
    return hook


def translation_of(hook: Hook) -> Translation:
    return Translation(hook.field_map, strip_exchange=hook.strip_exchange)


def all_hooks(session: Session) -> Sequence[Hook]:
    """In the order they were made, the revoked ones too."""
    return session.scalars(select(Hook).order_by(Hook.id)).all()


def revoke(session: Session, hook_id: UUID, *, now: datetime) -> bool:
    """Whether there was one that was not revoked yet."""
    statement = update(Hook).where(Hook.id == hook_id, Hook.revoked_at.is_(None)).values(revoked_at=now)
    return session.execute(statement.returning(Hook.id)).first() is not None
