"""Error handlers: turn errors into problem documents (RFC 9457). `STATUS` maps each kind of error to its status."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

import redis
import sqlalchemy.exc
from flask import Flask, Response
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES
from werkzeug.wrappers import Response as AnyResponse

from app.shared import logs
from app.shared.errors import (
    DomainError,
    ErrorKind,
    LengthRequired,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.shared.field_errors import field_errors
from app.web.context import request_id
from app.web.http.responses import json_response

CONTENT_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "/problems/"
RETRY_SECONDS: Final = 2
BUG_SLUG: Final = "internal-error"
BUG_TITLE: Final = "Internal error"

STATUS: Final[Mapping[ErrorKind, HTTPStatus]] = {
    ErrorKind.MALFORMED: HTTPStatus.BAD_REQUEST,
    ErrorKind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    ErrorKind.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorKind.CONFLICT: HTTPStatus.CONFLICT,
    ErrorKind.GONE: HTTPStatus.GONE,
    ErrorKind.LENGTH_REQUIRED: HTTPStatus.LENGTH_REQUIRED,
    ErrorKind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorKind.UNSUPPORTED_MEDIA: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ErrorKind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorKind.FAILED_DEPENDENCY: HTTPStatus.FAILED_DEPENDENCY,
    ErrorKind.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorKind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}

_OWN_ERRORS: Final[Mapping[int, type[DomainError]]] = {
    404: NotFound,
    411: LengthRequired,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}
"""Errors that both Flask and this service raise get the problem type of this service."""

_HTTP_DETAILS: Final[Mapping[int, str]] = {
    400: "the request cannot be read",
    404: "there is nothing at this address",
    405: "this address does not take this method; Allow names those it takes",
    416: "the file has no such range",
}
"""Replace Werkzeug's descriptions, which address readers of web pages."""

DATABASE_UNAVAILABLE: Final = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)
"""No connection, no free one in the pool, a timeout of a lock or a statement, or a busy SQLite."""

log = logs.get_logger(__name__)


def register(app: Flask) -> None:
    app.register_error_handler(DomainError, problem_response)
    app.register_error_handler(ValidationError, _schema_error)
    app.register_error_handler(HTTPException, _http_error)
    for kind in DATABASE_UNAVAILABLE:
        app.register_error_handler(kind, _database_unavailable)
    app.register_error_handler(redis.RedisError, _redis_unavailable)
    app.register_error_handler(Exception, _bug)


def describe(error: DomainError) -> tuple[int, dict[str, Any]]:
    """The status of an error and its problem document, without the id of the request."""
    status = STATUS[error.kind].value
    return status, _document(error.slug, error.title, status, error.detail) | error.extra


def describe_http(error: HTTPException) -> tuple[int, dict[str, Any]]:
    """The same for an error that Flask or Werkzeug raised."""
    status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR.value
    own = _OWN_ERRORS.get(status)
    slug, title = (own.slug, own.title) if own is not None else (slug_of(error.name), error.name)
    detail = error.description if error.description != type(error).description else _HTTP_DETAILS.get(status)
    return status, _document(slug, title, status, detail or title)


def describe_bug() -> tuple[int, dict[str, Any]]:
    """The same for an unexpected exception."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR.value
    return status, _document(BUG_SLUG, BUG_TITLE, status, "look up request_id in the logs")


def problem_response(error: DomainError) -> Response:
    """The response to an error: problem document, Location, Retry-After, WWW-Authenticate."""
    status, document = describe(error)
    headers: dict[str, str] = {}
    if error.location is not None:
        headers["Location"] = error.location
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    return _response(document, status, headers)


def catalogue() -> dict[str, tuple[str, int]]:
    """Title and status of every problem type, by slug."""
    http_types = {
        slug_of(name): (name, code) for code, name in HTTP_STATUS_CODES.items() if code >= HTTPStatus.BAD_REQUEST
    }
    own_types = {
        kind.slug: (kind.title, STATUS[kind.kind].value) for kind in _subclasses(DomainError) if hasattr(kind, "slug")
    }
    return http_types | own_types | {BUG_SLUG: (BUG_TITLE, HTTPStatus.INTERNAL_SERVER_ERROR.value)}


def _subclasses(base: type[DomainError]) -> Iterator[type[DomainError]]:
    for subclass in base.__subclasses__():
        yield subclass
        yield from _subclasses(subclass)


def slug_of(phrase: str) -> str:
    return phrase.lower().replace(" ", "-")


def _document(slug: str, title: str, status: int, detail: str) -> dict[str, Any]:
    return {"type": TYPE_PREFIX + slug, "title": title, "status": status, "detail": detail}


def _response(document: dict[str, Any], status: int, headers: Mapping[str, str]) -> Response:
    return json_response(document | {"request_id": request_id()}, status, headers, content_type=CONTENT_TYPE)


def _schema_error(error: ValidationError) -> Response:
    return problem_response(ValidationFailed(field_errors(error.messages)))


def _http_error(error: HTTPException) -> AnyResponse:
    """Errors that Flask and Werkzeug raise: unknown paths, wrong methods, incomplete bodies."""
    if error.code is None:
        return error.get_response()
    headers = {name: value for name, value in error.get_headers() if name.lower() != "content-type"}
    status, document = describe_http(error)
    return _response(document, status, headers)


def _database_unavailable(error: Exception) -> Response:
    # Log the driver's message only: SQLAlchemy's contains the statement and its values, which may be secret.
    log.error("database_unavailable", error=str(getattr(error, "orig", None) or error))
    return problem_response(Unavailable("the database does not answer", retry_after=RETRY_SECONDS))


def _redis_unavailable(error: Exception) -> Response:
    log.error("redis_unavailable", error=str(error))
    return problem_response(Unavailable("Redis does not answer", retry_after=RETRY_SECONDS))


def _bug(error: Exception) -> Response:
    log.error("unhandled_exception", exc_info=error)
    status, document = describe_bug()
    return _response(document, status, {})
