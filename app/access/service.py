"""Authentication of producers: their ids, their keys, and replays under another name."""

from __future__ import annotations

import functools
import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.orm import Session

from app.access import messages
from app.shared import signatures
from app.shared.db import Database
from app.shared.errors import FieldError, Unauthenticated, ValidationFailed
from app.shared.signatures import Headers, Verified
from config import Settings

PRODUCER_HEADER: Final = "X-Producer-Id"
DEFAULT_PRODUCER: Final = "default"

PRODUCER_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def producer_id(settings: Settings, headers: Headers) -> str:
    """The producer a request names, or `default`.

    Raises ValidationFailed for a name that is none, Unauthenticated for no name where signatures are required.
    """
    name = headers.get(PRODUCER_HEADER)
    if name is None:
        if settings.signals_hmac_enabled:
            raise Unauthenticated(signatures.REFUSAL)
        return DEFAULT_PRODUCER
    if not PRODUCER_ID.fullmatch(name):
        raise ValidationFailed([FieldError(f"/headers/{PRODUCER_HEADER}", "1-64 of A-Z a-z 0-9 . _ -")])
    return name


def signing_keys(settings: Settings, producer: str) -> tuple[str, ...]:
    """The keys a producer may sign with: its own, several while one replaces another, or else the shared one."""
    own = tuple(key for name, key in settings.producer_keys if name == producer)
    return own or ((settings.signals_hmac_key,) if settings.signals_hmac_key else ())


def has_exclusive_keys(settings: Settings, producer: str) -> bool:
    """Whether nobody else can sign as this producer signs: none of its keys is another producer's or the shared one."""
    return producer in _producers_with_exclusive_keys(settings.signals_hmac_key, settings.signals_hmac_keys)


@functools.lru_cache(maxsize=8)
def _producers_with_exclusive_keys(shared: str, pairs: tuple[str, ...]) -> frozenset[str]:
    producers: dict[bytes, set[str]] = {}
    for name, _, key in (pair.partition(":") for pair in pairs):
        producers.setdefault(signatures.key_identity(key), set()).add(name)
    shared_identity = signatures.key_identity(shared) if shared else None
    names = {name for group in producers.values() for name in group}
    others = [group for identity, group in producers.items() if len(group) > 1 or identity == shared_identity]
    return frozenset(names.difference(*others))


def check_claim(settings: Settings, headers: Headers, *, producer: str, now: datetime) -> None:
    """Refuse, before the body is read, what no body could make valid.

    Raises Unauthenticated when a signature is missing though required, malformed or out of time, or when there is no
    key to verify it with.
    """
    if not signatures.is_signed(headers) and not settings.signals_hmac_enabled:
        return
    if not signing_keys(settings, producer):
        raise Unauthenticated(signatures.REFUSAL)
    tolerance = settings.signals_hmac_tolerance_seconds
    signatures.check_form(headers, now=now, tolerance_seconds=tolerance, legacy=settings.signals_hmac_legacy)


def check_signature(
    settings: Settings, database: Database, headers: Headers, body: bytes, *, producer: str, now: datetime
) -> Verified | None:
    """What a signature proves; None for an unsigned message where none is required.

    From then on the message is this producer's. Where its keys are nobody else's the signature alone says so, and the
    database is not asked. Raises Unauthenticated when the signature is missing though required, wrong, or of a message
    that another producer sent; and what the database raises.
    """
    if not signatures.is_signed(headers) and not settings.signals_hmac_enabled:
        return None
    verified = signatures.verify(
        headers,
        body,
        keys=signing_keys(settings, producer),
        now=now,
        tolerance_seconds=settings.signals_hmac_tolerance_seconds,
        legacy=settings.signals_hmac_legacy,
    )
    if not verified.digests or has_exclusive_keys(settings, producer):
        return verified
    if not messages.bind(database, verified.digests, producer, now=now):
        raise Unauthenticated(signatures.REFUSAL)
    return verified


def forget_messages(settings: Settings, session: Session, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` messages that are too old to be sent again; returns their number."""
    seconds = 2 * settings.signals_hmac_tolerance_seconds
    return messages.forget(session, before=now - timedelta(seconds=seconds), limit=limit)
