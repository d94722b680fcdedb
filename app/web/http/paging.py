"""Pages of lists: an opaque cursor names the row after which the next page begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import orjson
from flask import request
from marshmallow import Schema, fields, validate

from app.shared.errors import FieldError, ValidationFailed
from app.web.context import resources

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 250
MAX_CURSOR_CHARACTERS: Final = 512
HASH_BYTES: Final = 8

Row = TypeVar("Row")


class PageQuery(Schema):
    """The query parameters of every list. Each list adds its filters."""

    cursor = fields.String(
        validate=validate.Length(max=MAX_CURSOR_CHARACTERS),
        metadata={"description": "next_cursor of the last page"},
    )
    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))


def encode(*values: object) -> str:
    """A cursor that contains `values` as text. It is valid only for the endpoint that made it."""
    content = orjson.dumps([str(value) for value in values])
    return base64.urlsafe_b64encode(_hash(content) + content).rstrip(b"=").decode()


def decode(cursor: str) -> tuple[str, ...]:
    """The values of a cursor of this endpoint. Raises ValidationFailed at /cursor for anything else."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise _invalid_cursor() from error
    digest, content = raw[:HASH_BYTES], raw[HASH_BYTES:]
    if not hmac.compare_digest(digest, _hash(content)):
        raise _invalid_cursor()
    return tuple(orjson.loads(content))


def cut(rows: Sequence[Row], limit: int, key: Callable[[Row], object]) -> tuple[Sequence[Row], str | None]:
    """One page of rows read with `limit` + 1, and the cursor of the next page: None at the end."""
    if len(rows) <= limit:
        return rows, None
    page = rows[:limit]
    return page, encode(key(page[-1]))


def _hash(content: bytes) -> bytes:
    """A keyed hash of the content and the endpoint, so that a forged cursor is refused."""
    key = hashlib.sha256(resources().settings.secret_key.encode()).digest()
    return hashlib.blake2b(
        f"{request.endpoint}\n".encode() + content, key=key, digest_size=HASH_BYTES, person=b"cursor"
    ).digest()


def _invalid_cursor() -> ValidationFailed:
    return ValidationFailed([FieldError("/cursor", "not a cursor of this list")])
