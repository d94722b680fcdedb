"""Every error becomes a problem document."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, Response, abort
from marshmallow import ValidationError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from structlog.testing import capture_logs
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge, UnsupportedMediaType, default_exceptions

from app.shared.errors import DomainError, ErrorKind, NotFound, RateLimited, ValidationFailed
from app.web.http import problems


class Refused(DomainError):
    kind, slug, title = ErrorKind.CONFLICT, "refused-here", "Refused"

    @property
    def extra(self) -> Any:
        return {"because": "reasons"}


@pytest.fixture
def raising(unconnected: Flask) -> Any:
    """Send a request to a view that raises this error."""

    def raising(error: Exception, method: str = "GET") -> Any:
        def view() -> str:
            raise error

        unconnected.add_url_rule("/raise", view_func=view, methods=[method])
        return unconnected.test_client().open("/raise", method=method, headers={"X-Request-ID": "the-id"})

    return raising


def test_every_kind_of_error_has_a_status() -> None:
    assert set(problems.STATUS) == set(ErrorKind)


def test_a_refusal_is_a_problem_document(raising: Any) -> None:
    response = raising(Refused("because of that", location="/there", retry_after=3))
    assert response.status_code == 409
    assert response.content_type == "application/problem+json"
    assert json.loads(response.data) == {
        "type": "/problems/refused-here",
        "title": "Refused",
        "status": 409,
        "detail": "because of that",
        "request_id": "the-id",
        "because": "reasons",
    }
    assert response.headers["Location"] == "/there"
    assert response.headers["Retry-After"] == "3"


def test_a_refusal_can_be_described_for_a_batch() -> None:
    status, document = problems.describe(Refused("so"))
    assert status == document["status"] == 409
    assert document["because"] == "reasons"
    assert "request_id" not in document


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("INSERT", {"secret": "hush"}, Exception("server closed the connection")),
        InterfaceError("SELECT", {}, Exception("connection already closed")),
        PoolTimeout("QueuePool limit reached"),
    ],
)
def test_a_lost_database_is_unavailable(raising: Any, error: Any) -> None:
    with capture_logs() as logged:
        response = raising(error)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert json.loads(response.data)["type"] == "/problems/unavailable"
    assert "hush" not in json.dumps(logged)


def test_an_unexpected_error_is_logged_and_its_response_has_no_details(raising: Any) -> None:
    with capture_logs() as logged:
        response = raising(ZeroDivisionError("hush"))
    assert response.status_code == 500
    document = json.loads(response.data)
    assert document["type"] == "/problems/internal-error"
    assert document["request_id"] == "the-id"
    assert "hush" not in response.text
    (line,) = [line for line in logged if line["event"] == "unhandled_exception"]
    assert isinstance(line["exc_info"], ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "slug"),
    [(RequestEntityTooLarge(), "payload-too-large"), (UnsupportedMediaType(), "unsupported-media-type")],
)
def test_what_the_framework_refuses_has_the_type_of_our_own_refusal(raising: Any, error: Any, slug: str) -> None:
    assert json.loads(raising(error).data)["type"] == f"/problems/{slug}"


def test_an_abort_is_a_problem_too(unconnected: Flask) -> None:
    unconnected.add_url_rule("/teapot", view_func=lambda: abort(418))
    assert json.loads(unconnected.test_client().get("/teapot").data)["type"] == "/problems/i'm-a-teapot"


def test_an_abort_with_a_response_returns_that_response(unconnected: Flask) -> None:
    unconnected.add_url_rule("/own", view_func=lambda: abort(Response("own", 207)))
    response = unconnected.test_client().get("/own")
    assert (response.status_code, response.data) == (207, b"own")


def test_a_wrong_method_is_refused_with_the_allowed_ones(unconnected: Flask) -> None:
    response = unconnected.test_client().delete("/healthz")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    document = json.loads(response.data)
    assert document["type"] == "/problems/method-not-allowed"
    assert document["detail"] == "this address does not take this method; Allow names those it takes"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nothing", "/api/v1/signals/not-an-id", "/docs/x/y"])
def test_an_unknown_address_is_refused_in_a_plain_sentence(unconnected: Flask, path: str) -> None:
    response = unconnected.test_client().get(path)
    assert response.status_code == 404
    assert json.loads(response.data)["detail"] == "there is nothing at this address"


def test_a_range_that_a_file_does_not_have_is_refused_in_a_plain_sentence(unconnected: Flask) -> None:
    response = unconnected.test_client().get("/docs/docs.js", headers={"Range": "bytes=99999999-"})
    assert response.status_code == 416
    assert json.loads(response.data)["detail"] == "the file has no such range"


@pytest.mark.parametrize("kind", [kind for code, kind in default_exceptions.items() if code >= 400])
def test_no_problem_has_the_description_of_werkzeug(kind: type[HTTPException]) -> None:
    _, document = problems.describe_http(kind())
    assert document["detail"]
    assert document["detail"] != kind.description


def test_the_detail_of_an_error_raised_by_a_view_is_kept() -> None:
    assert problems.describe_http(UnsupportedMediaType("send it as text"))[1]["detail"] == "send it as text"


def test_a_redirect_stays_one(unconnected: Flask) -> None:
    unconnected.add_url_rule("/folder/", view_func=lambda: "")
    response = unconnected.test_client().get("/folder")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/folder/")


def test_the_head_of_a_problem_has_no_body(unconnected: Flask) -> None:
    response = unconnected.test_client().head("/nowhere")
    assert response.status_code == 404
    assert response.data == b""


def test_a_schemas_own_error_is_a_problem(raising: Any) -> None:
    response = raising(ValidationError({"a": ["wrong"]}))
    assert response.status_code == 422
    assert json.loads(response.data)["errors"] == [{"pointer": "/a", "message": "wrong"}]


@pytest.mark.parametrize("kind", [NotFound, RateLimited, ValidationFailed, Refused])
def test_the_type_of_a_problem_can_be_looked_up(unconnected: Flask, kind: Any) -> None:
    response = unconnected.test_client().get(f"/problems/{kind.slug}")
    assert response.get_json()["title"] == kind.title
    assert response.get_json()["status"] == problems.STATUS[kind.kind]


def test_an_unknown_type_of_problem_is_not_found(unconnected: Flask) -> None:
    assert unconnected.test_client().get("/problems/none").status_code == 404
