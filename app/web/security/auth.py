"""Who may call what: one list for all endpoints, one check before each request."""

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
        # Its address is its key.
        "hooks.receive",
    }
)
"""What everyone may call. Everything else wants a key as soon as there is one."""

SIGNED_RULES: Final = frozenset({("POST", "/api/v1/signals"), ("POST", "/api/v1/signals/batch")})
"""Where a signature does instead of a key. The route itself verifies it, over the raw body."""

_EXTENSION: Final = "signalbox.keyring"


class Keyring:
    """The keys of API_KEYS, kept as digests so that a comparison's time tells nothing about them."""

    def __init__(self, pairs: Iterable[str]) -> None:
        names_and_tokens = [pair.partition(":")[::2] for pair in pairs]
        self._keys = [(name, _digest(token)) for name, token in names_and_tokens]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def holder(self, token: str) -> str | None:
        """The name of the key with this token. Every key is compared, whichever fits."""
        given = _digest(token)
        found = None
        for name, digest in self._keys:
            if hmac.compare_digest(digest, given):
                found = name
        return found


def register(app: Flask, api_keys: Iterable[str]) -> None:
    app.extensions[_EXTENSION] = Keyring(api_keys)
    app.before_request(authenticate)


def authenticate() -> None:
    """Raises Unauthenticated unless the endpoint is public, the API is open, or the key or a signature is there."""
    keyring = cast("Keyring", current_app.extensions[_EXTENSION])
    if not keyring or request.url_rule is None or request.endpoint in PUBLIC_ENDPOINTS:
        return
    given = request.authorization
    if given is None and _may_be_signed() and signatures.is_signed(request.headers):
        return
    holder = keyring.holder(given.token or "") if given is not None and given.type == "bearer" else None
    if holder is None:
        raise Unauthenticated(signatures.REFUSAL)
    g.caller = holder


def caller() -> str:
    """The name of the key that was used; `default` where none was needed."""
    return cast("str", g.get("caller", OPEN_CALLER))


def _may_be_signed() -> bool:
    return request.url_rule is not None and (request.method, request.url_rule.rule) in SIGNED_RULES


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
