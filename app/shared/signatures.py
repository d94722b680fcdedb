"""Signed messages: Standard Webhooks (HMAC-SHA256 over id, time and body) and the older X-Signature over the body."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from app.shared.errors import Unauthenticated

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
LEGACY_HEADER: Final = "X-Signature"
ENCODED_PREFIX: Final = "whsec_"
MAX_SIGNATURES: Final = 16

REFUSAL: Final = "a valid signature or key is needed"
"""The message for every cause: a caller must not learn which check failed."""

_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_SECONDS: Final = re.compile(r"[0-9]{1,12}")
_V1: Final = re.compile(r"v1,[A-Za-z0-9+/]{43}=")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Headers(Protocol):
    """A request's headers, asked by name; the case of names must not matter."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Verified:
    """A message whose signature holds. In the older scheme, which knows no messages, it has no id and no digests."""

    message_id: str | None
    digests: tuple[str, ...] = ()
    """SHA-256 in hex of the message's signature by each accepted key, whether the message had that signature or not.

    A sender without a key cannot change them by reordering, cutting or padding the list of signatures.
    """


def is_signed(headers: Headers) -> bool:
    """Whether a message claims to be signed, in whichever scheme."""
    return _claims_standard(headers) or headers.get(LEGACY_HEADER) is not None


def verify(
    headers: Headers,
    body: bytes,
    *,
    keys: Sequence[str],
    now: datetime,
    tolerance_seconds: int,
    legacy: bool = False,
) -> Verified:
    """Check the signature of the raw body with any of the keys.

    Raises Unauthenticated for whatever is missing, malformed, too old, too new or wrong.
    """
    if _claims_standard(headers):
        return _verify_standard(headers, body, keys, now, tolerance_seconds)
    older = headers.get(LEGACY_HEADER)
    if legacy and older is not None:
        return _verify_legacy(older, body, keys)
    raise Unauthenticated(REFUSAL)


def check_form(headers: Headers, *, now: datetime, tolerance_seconds: int, legacy: bool = False) -> None:
    """Check what can be checked of a signature without the body: form of id and signature, time.

    Raises Unauthenticated.
    """
    if _claims_standard(headers):
        timestamp = headers.get(TIMESTAMP_HEADER) or ""
        has_form = (
            _ID.fullmatch(headers.get(ID_HEADER) or "") is not None
            and _SECONDS.fullmatch(timestamp) is not None
            and abs(now.timestamp() - int(timestamp)) <= tolerance_seconds
            and any(map(_V1.fullmatch, (headers.get(SIGNATURE_HEADER) or "").split(" ")[:MAX_SIGNATURES]))
        )
    else:
        has_form = legacy and _HEX.fullmatch(headers.get(LEGACY_HEADER) or "") is not None
    if not has_form:
        raise Unauthenticated(REFUSAL)


def sign(body: bytes, *, key: str, message_id: str, now: datetime) -> dict[str, str]:
    """The Standard Webhooks headers of a message."""
    timestamp = str(int(now.timestamp()))
    signature = _signature(_content(message_id, timestamp, body), key_bytes(key))
    return {ID_HEADER: message_id, TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: f"v1,{signature}"}


def key_bytes(key: str) -> bytes:
    """The bytes to sign with: `whsec_` is followed by base64, anything else is taken as it is. Raises ValueError."""
    if not key.startswith(ENCODED_PREFIX):
        return key.encode()
    try:
        return base64.b64decode(key.removeprefix(ENCODED_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(f"what follows {ENCODED_PREFIX} is not base64") from error


def key_identity(key: str) -> bytes:
    """Equal for keys that make the same signatures: HMAC pads short keys with zeros and hashes long ones (RFC 2104).

    Raises ValueError as `key_bytes` does.
    """
    return hmac.digest(key_bytes(key), b"", "sha256")


def _claims_standard(headers: Headers) -> bool:
    return any(headers.get(name) is not None for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))


def _verify_standard(
    headers: Headers, body: bytes, keys: Sequence[str], now: datetime, tolerance_seconds: int
) -> Verified:
    message_id = headers.get(ID_HEADER) or ""
    timestamp = headers.get(TIMESTAMP_HEADER) or ""
    if not _ID.fullmatch(message_id) or not _SECONDS.fullmatch(timestamp):
        raise Unauthenticated(REFUSAL)
    if abs(now.timestamp() - int(timestamp)) > tolerance_seconds:
        raise Unauthenticated(REFUSAL)
    # The texts are compared, not what they decode to: base64 has several texts for the same bytes.
    signatures = [
        text[3:] for text in (headers.get(SIGNATURE_HEADER) or "").split(" ")[:MAX_SIGNATURES] if text[:3] == "v1,"
    ]
    content = _content(message_id, timestamp, body)
    expected = [_signature(content, key_bytes(key)) for key in keys]
    _require_match(expected, signatures)
    return Verified(message_id, tuple(hashlib.sha256(signature.encode()).hexdigest() for signature in set(expected)))


def _verify_legacy(signature: str, body: bytes, keys: Sequence[str]) -> Verified:
    _require_match([hmac.new(key_bytes(key), body, hashlib.sha256).hexdigest() for key in keys], [signature])
    return Verified(None)


def _require_match(expected: list[str], received: list[str]) -> None:
    """Raise Unauthenticated unless an expected signature was received. All pairs are compared, in constant time."""
    matches = 0
    for right in expected:
        for text in received:
            matches += hmac.compare_digest(right.encode(), text.encode())
    if not matches:
        raise Unauthenticated(REFUSAL)


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _signature(content: bytes, key: bytes) -> str:
    return base64.b64encode(hmac.digest(key, content, "sha256")).decode()
