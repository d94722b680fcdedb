"""Reads request bodies. Framing and size are checked before anything is read or parsed.

A WSGI server does not report that a client stopped in the middle of a body. The number of bytes read is therefore
compared with the Content-Length, and a body without a Content-Length is refused.
"""

from __future__ import annotations

from typing import IO, Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import BadRequest

from app.shared import exact_json
from app.shared.errors import LengthRequired, PayloadTooLarge, UnsupportedMediaType
from app.web.http.problems import problem_response

CHUNK_BYTES: Final = 65_536


def register(app: Flask) -> None:
    app.before_request(check_framing)


def check_framing() -> Response | None:
    """Refuse a request with a Transfer-Encoding, whether or not its route reads a body, and close the connection.

    The server may have removed a Content-Length beside it. A proxy and this server could then disagree on where the
    body ends (RFC 9112, section 6.1).
    """
    if "HTTP_TRANSFER_ENCODING" not in request.environ:
        return None
    response = problem_response(LengthRequired("send the body with a Content-Length alone, not in chunks"))
    response.headers["Connection"] = "close"
    return response


def read_body(limit: int) -> bytes:
    """The whole body, at most `limit` bytes; b"" for a request without a Content-Length.

    Raises what check_length does, and BadRequest for a body that ends before its Content-Length.
    """
    length = check_length(limit)
    body = _read(request.stream, length) if length else b""
    if len(body) != length:
        raise BadRequest("the body did not arrive whole")
    return body


def check_length(limit: int) -> int:
    """The Content-Length in bytes, 0 if there is none. Reads nothing of the body.

    Raises PayloadTooLarge over `limit`, and UnsupportedMediaType for any Content-Encoding.
    """
    if request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType("send the body without a Content-Encoding")
    length = request.content_length or 0
    if length > limit:
        raise PayloadTooLarge(f"at most {limit} bytes")
    return length


def read_json(limit: int, *, exact: bool = True) -> Any:
    """The body as strict JSON, with Decimals or, where not `exact`, floats.

    Raises what read_body does, UnsupportedMediaType and MalformedJson.
    """
    require_json()
    return exact_json.loads(read_body(limit), exact=exact)


def require_json() -> None:
    """Raises UnsupportedMediaType unless the Content-Type is application/json or application/...+json."""
    mimetype = request.mimetype
    if mimetype != "application/json" and not (mimetype.startswith("application/") and mimetype.endswith("+json")):
        raise UnsupportedMediaType("send the body as application/json")


def require_media_type(*types: str) -> str:
    """The body's media type, one of `types`. Raises UnsupportedMediaType for any other."""
    if request.mimetype not in types:
        raise UnsupportedMediaType(f"send the body as {' or '.join(types)}")
    return request.mimetype


def _read(stream: IO[bytes], length: int) -> bytes:
    """Up to `length` bytes; fewer if the stream ends before."""
    chunks: list[bytes] = []
    remaining = length
    while remaining and (chunk := stream.read(min(remaining, CHUNK_BYTES))):
        chunks.append(chunk)
        remaining -= len(chunk)
    return b"".join(chunks)
