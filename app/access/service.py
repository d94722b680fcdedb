"""Who sends a signal, and whether it is really they: producer ids, their keys, and replays under another name."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Final

from redis import Redis, RedisError

from app.shared import logs, signatures
from app.shared.errors import FieldError, Unauthenticated, ValidationFailed
from app.shared.signatures import Headers, Verified
from config import Settings

PRODUCER_HEADER: Final = "X-Producer-Id"
DEFAULT_PRODUCER: Final = "default"

PRODUCER_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")

log = logs.get_logger(__name__)


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
    settings: Settings, redis: Redis, headers: Headers, body: bytes, *, producer: str, now: datetime
) -> Verified | None:
    """What a signature proves; None for an unsigned message where none is required.

    Raises Unauthenticated when it is missing though required, wrong, or its webhook-id came from another producer.
    """
    if not signatures.is_signed(headers) and not settings.signals_hmac_enabled:
        return None
    tolerance = settings.signals_hmac_tolerance_seconds
    verified = signatures.verify(
        headers,
        body,
        keys=signing_keys(settings, producer),
        now=now,
        tolerance_seconds=tolerance,
        legacy=settings.signals_hmac_legacy,
    )
    if verified.message_id is not None:
        _refuse_other_producer(redis, verified.key_id, verified.message_id, producer, 2 * tolerance)
    return verified


def _refuse_other_producer(redis: Redis, key_id: str, message_id: str, producer: str, seconds: int) -> None:
    """A key that several producers share must not make one message theirs all. Without Redis this is not checked."""
    name = f"webhook:{key_id}:{hashlib.sha256(message_id.encode()).hexdigest()[:32]}"
    try:
        first = redis.set(name, producer, nx=True, get=True, ex=seconds)
    except RedisError as error:
        log.warning("webhook_memory_skipped", error=str(error))
        return
    if isinstance(first, bytes) and first != producer.encode():
        raise Unauthenticated(signatures.REFUSAL)
