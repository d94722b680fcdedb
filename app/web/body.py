"""Request bodies, read whole or refused: the size is decided before anything is parsed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any, Final

from flask import Request, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, HTTPException

from app.shared import exact_json
from app.shared.errors import DomainError, PayloadTooLarge, UnsupportedMediaType
from app.web import slow_bodies

PIECE: Final = 65_536
CODINGS_TAKEN: Final = "send the body in chunks or with its length, and not compressed"

_watchdog: Final = slow_bodies.Watchdog()


def read_body(limit: int) -> bytes:
    """The whole body, at most `limit` bytes of it, with or without a Content-Length.

    Raises PayloadTooLarge, UnsupportedMediaType for any Content-Encoding, and BadRequest for a body that ends before
    its announced end or comes too slowly.
    """
    asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    if asked.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("send the body without a Content-Encoding")
    _check_framing(asked.headers)
    if (asked.content_length or 0) > limit:
        raise _too_large(limit)
    try:
        with _in_time(asked, limit):
            return _read(asked.stream, limit)
    except (DomainError, HTTPException):
        raise
    # Each server has errors of its own for what it cannot make out of the bytes that come.
    except Exception as error:
        raise BadRequest("the body did not arrive whole") from error


def read_json(limit: int, *, exact: bool = True) -> Any:
    """The body as strict JSON, with Decimals or, where not `exact`, floats.

    Raises what read_body does, UnsupportedMediaType and MalformedJson.
    """
    require_json()
    return exact_json.loads(read_body(limit), exact=exact)


def require_json() -> None:
    """Raises UnsupportedMediaType unless the body is announced as application/json or application/...+json."""
    mimetype = request.mimetype
    if mimetype != "application/json" and not (mimetype.startswith("application/") and mimetype.endswith("+json")):
        raise UnsupportedMediaType("send the body as application/json")


def require_media_type(*types: str) -> str:
    """The body's media type, one of `types`. Raises UnsupportedMediaType for any other."""
    if request.mimetype not in types:
        raise UnsupportedMediaType(f"send the body as {' or '.join(types)}")
    return request.mimetype


def _check_framing(headers: Headers) -> None:
    """Refuse what servers in a row might read as two different bodies, whatever the one in front lets through."""
    coding = headers.get("Transfer-Encoding")
    if coding is None:
        return
    if coding.strip().lower() != "chunked":
        raise UnsupportedMediaType(CODINGS_TAKEN)
    if headers.get("Content-Length") is not None:
        raise BadRequest("the body has a length and chunks")


def _read(stream: IO[bytes], limit: int) -> bytes:
    """Read to the end, and one byte over the limit at most: a stream without an announced length just goes on."""
    pieces: list[bytes] = []
    left = limit + 1
    while left and (piece := stream.read(min(left, PIECE))):
        pieces.append(piece)
        left -= len(piece)
    if left == 0:
        raise _too_large(limit)
    return b"".join(pieces)


def _in_time(asked: Request, limit: int) -> AbstractContextManager[None]:
    """A limit on the time too, where the server shows its socket, as gunicorn does."""
    connection = asked.environ.get("gunicorn.socket")
    if connection is None:
        return nullcontext()
    return _watchdog.watching(connection, slow_bodies.seconds_for(limit))


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"at most {limit} bytes")
