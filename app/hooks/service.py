"""Creates hooks, finds them by token, revokes them. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.hooks.domain import Address, FieldMap, Network, UnknownHook, digest, is_allowed, networks, new_token
from app.hooks.models import Hook
from app.shared import logs
from app.shared.db import uuid7

log = logs.get_logger(__name__)


def create(
    session: Session, producer_id: str, field_map: FieldMap, *, allow_from: Sequence[Network], now: datetime
) -> tuple[Hook, str]:
    """A new hook and its token, which is not stored and cannot be read again."""
    token = new_token()
    hook = Hook(
        id=uuid7(),
        token_digest=digest(token),
        producer_id=producer_id,
        field_map=dict(field_map.names),
        strip_exchange=field_map.strip_exchange,
        allow_from=[str(network) for network in allow_from],
        created_at=now,
    )
    session.add(hook)
    session.flush()
    return hook, token


def find(session: Session, token: str, *, address: Address | None) -> Hook:
    """The hook with this token, if a sender at this address may use it. Raises UnknownHook for every other case."""
    hook = session.scalars(select(Hook).where(Hook.token_digest == digest(token), Hook.revoked_at.is_(None))).first()
    if hook is None:
        raise UnknownHook
    if not is_allowed(networks(hook.allow_from), address):
        log.warning("hook_refused_sender", hook_id=str(hook.id), address=str(address))
        raise UnknownHook
    return hook


def field_map_of(hook: Hook) -> FieldMap:
    return FieldMap(hook.field_map, strip_exchange=hook.strip_exchange)


def all_hooks(session: Session) -> Sequence[Hook]:
    """All hooks in the order of their creation, revoked ones too."""
    return session.scalars(select(Hook).order_by(Hook.id)).all()


def revoke(session: Session, hook_id: UUID, *, now: datetime) -> bool:
    """Returns whether the hook exists and was not revoked before."""
    statement = update(Hook).where(Hook.id == hook_id, Hook.revoked_at.is_(None)).values(revoked_at=now)
    return session.execute(statement.returning(Hook.id)).first() is not None
