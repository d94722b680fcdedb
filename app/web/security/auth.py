"""Authentication: one check before each request, one list of public endpoints."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, cast

from flask import Flask, current_app, g, request

from app.shared import signatures
from app.shared.errors import Unauthenticated

OPEN_CALLER: Final = "default"

PUBLIC_ENDPOINTS: Final = frozenset(
    {
        "operations.healthz",
        "operations.readyz",
        "docs.page",
        "docs.asset",
        "docs.openapi",
        "docs.problem",
        # The token in its address authenticates the sender.
        "hooks.receive",
    }
)
"""All other endpoints require a key if API_KEYS is set."""

SIGNED_RULES: Final = frozenset({("POST", "/api/v1/signals"), ("POST", "/api/v1/signals/batch")})
"""Rules that accept a signature instead of a key. The route verifies it over the raw body."""

_EXTENSION: Final = "signalbox.keyring"


class Keyring:
    """The keys of API_KEYS. Digests are stored, so that the time of a comparison does not depend on the tokens."""

    def __init__(self, pairs: Iterable[str]) -> None:
        names_and_tokens = [pair.partition(":")[::2] for pair in pairs]
        self._keys = [(name, _digest(token)) for name, token in names_and_tokens]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def holder(self, token: str) -> str | None:
        """The name of the key with this token, None if there is none. Always compares all keys."""
        token_digest = _digest(token)
        holder = None
        for name, digest in self._keys:
            if hmac.compare_digest(digest, token_digest):
                holder = name
        return holder


def register(app: Flask, api_keys: Iterable[str]) -> None:
    app.extensions[_EXTENSION] = Keyring(api_keys)
    app.before_request(authenticate)


def authenticate() -> None:
    """Raises Unauthenticated unless the endpoint is public, no key is set, or the request has a key or a signature."""
    keyring = cast("Keyring", current_app.extensions[_EXTENSION])
    if not keyring or request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
        return
    credentials = request.authorization
    if credentials is None and _may_be_signed() and signatures.is_signed(request.headers):
        return
    holder = None
    if credentials is not None and credentials.type == "bearer":
        holder = keyring.holder(credentials.token or "")
    if holder is None:
        raise Unauthenticated(signatures.REFUSAL)
    g.caller = holder


def caller() -> str:
    """The name of the caller's key; `default` if none was required."""
    return cast("str", g.get("caller", OPEN_CALLER))


def _may_be_signed() -> bool:
    return request.url_rule is not None and (request.method, request.url_rule.rule) in SIGNED_RULES


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
