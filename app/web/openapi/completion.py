"""Adds to every operation of the OpenAPI document what all of its kind share: id, error responses, headers."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

from apispec import BasePlugin
from werkzeug.routing import Rule

from app.shared.errors import (
    DomainError,
    Gone,
    MalformedJson,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.web.http import problems
from app.web.http.problem_schema import ProblemSchema

REQUEST_ID: Final = "0190b1a3f6c27d3e8a51f0c2d4e6b899"
RETRY_AFTER: Final = {
    "description": "seconds to wait before the next attempt",
    "schema": {"type": "integer", "minimum": 1},
}
REQUEST_ID_HEADER: Final = {
    "description": "the X-Request-ID of the request, or a new one; every log line of the request contains it",
    "schema": {"type": "string"},
}
_TEXT: Final = {"schema": {"type": "string"}}
RATE_HEADERS: Final = {
    "RateLimit": {
        "description": "if there is a limit: r signals remain; the full budget is back in t seconds",
        **_TEXT,
    },
    "RateLimit-Policy": {"description": "if there is a limit: q signals in w seconds", **_TEXT},
}
UNSAFE: Final = frozenset({"post", "put", "patch", "delete"})

_DETAILS: Final[dict[type[DomainError], str]] = {
    MalformedJson: "Expecting value at line 1, column 10",
    Unauthenticated: "a valid signature or key is needed",
    NotFound: "there is no signal 0190b1a3-f6c2-7d3e-8a51-f0c2d4e6b899",
    Gone: "removed after its time",
    PayloadTooLarge: "at most 32768 bytes",
    UnsupportedMediaType: "send the body as application/json",
    ValidationFailed: "/side: Must be one of: buy, sell.",
    RateLimited: "600 signals in 60 seconds, and 0 are left",
    Unavailable: "the database does not answer",
}
_RETRY_STATUSES: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Completion(BasePlugin):
    """An apispec plugin that completes the description of each operation."""

    def operation_helper(
        self,
        path: str | None = None,  # noqa: ARG002 - apispec's signature
        operations: dict[str, Any] | None = None,
        *,
        rule: Rule | None = None,
        **_kwargs: Any,
    ) -> None:
        for method, operation in (operations or {}).items():
            if rule is not None:
                operation.setdefault("operationId", rule.endpoint.replace(".", "_"))
            responses = {str(status): response for status, response in operation.get("responses", {}).items()}
            for status in _error_statuses(method, operation, rule):
                responses.setdefault(str(status.value), status.name)
            operation["responses"] = {status: _complete(status, responses[status]) for status in sorted(responses)}


def problem_response_object(status: HTTPStatus) -> dict[str, Any]:
    """The OpenAPI response object of a problem with this status, with an example."""
    response = {
        "description": status.phrase,
        "headers": {"X-Request-ID": REQUEST_ID_HEADER},
        "content": {problems.CONTENT_TYPE: {"schema": ProblemSchema, "example": example_of(status)}},
    }
    if status in _RETRY_STATUSES:
        response["headers"] = {"Retry-After": RETRY_AFTER, "X-Request-ID": REQUEST_ID_HEADER}
    return response


def example_of(status: int) -> dict[str, Any]:
    """A problem document of this status."""
    status = HTTPStatus(status)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return problems.describe_bug()[1] | {"request_id": REQUEST_ID}
    for kind, detail in _DETAILS.items():
        if problems.STATUS[kind.kind] is status:
            errors = [{"pointer": "/side", "message": "Must be one of: buy, sell."}]
            return _example(kind.slug, kind.title, status, detail) | (
                {"errors": errors} if kind is ValidationFailed else {}
            )
    return _example(problems.slug_of(status.phrase), status.phrase, status, status.description or status.phrase)


def _example(slug: str, title: str, status: HTTPStatus, detail: str) -> dict[str, Any]:
    return {
        "type": problems.TYPE_PREFIX + slug,
        "title": title,
        "status": status.value,
        "detail": detail,
        "request_id": REQUEST_ID,
    }


def _error_statuses(method: str, operation: dict[str, Any], rule: Rule | None) -> Iterator[HTTPStatus]:
    """The error statuses of every operation of this kind."""
    if operation.get("security") != []:
        yield HTTPStatus.UNAUTHORIZED
    if method in UNSAFE and "requestBody" in operation:
        yield HTTPStatus.BAD_REQUEST
        yield HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        yield HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    parameters = [each for each in operation.get("parameters", ()) if isinstance(each, dict)]
    if any(parameter["in"] == "query" for parameter in parameters):
        yield HTTPStatus.UNPROCESSABLE_ENTITY
    if rule is not None and rule.arguments:
        yield HTTPStatus.NOT_FOUND
    if rule is not None and rule.rule.startswith("/api/"):
        yield HTTPStatus.SERVICE_UNAVAILABLE


def _complete(status: str, response: Any) -> Any:
    """Describe an error as a problem unless its route describes it; add the X-Request-ID header to every response."""
    if not isinstance(response, dict):
        return response
    response.setdefault("headers", {}).setdefault("X-Request-ID", REQUEST_ID_HEADER)
    if not status.isdigit() or int(status) < HTTPStatus.BAD_REQUEST:
        return response
    default = problem_response_object(HTTPStatus(int(status)))
    # A reference, not the class: apispec's marshmallow plugin has processed this operation already.
    by_reference = default["content"][problems.CONTENT_TYPE] | {"schema": {"$ref": "#/components/schemas/Problem"}}
    response.setdefault("content", {problems.CONTENT_TYPE: by_reference})
    response["headers"] = default["headers"] | response["headers"]
    return response
