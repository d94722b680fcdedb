"""Problems: one document for every refusal, whoever refuses."""

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
    """Ask a view that raises what it is given."""

    def raising(error: Exception, method: str = "GET") -> Any:
        def view() -> str:
            raise error

        unconnected.add_url_rule("/raise", view_func=view, methods=[method])
        return unconnected.test_client().open("/raise", method=method, headers={"X-Request-ID": "the-id"})

    return raising


def test_every_kind_of_error_has_a_status() -> None:
    assert set(problems.STATUS) == set(ErrorKind)


def test_a_refusal_is_a_problem_document(raising: Any) -> None:
    answer = raising(Refused("because of that", location="/there", retry_after=3))
    assert answer.status_code == 409
    assert answer.content_type == "application/problem+json"
    assert json.loads(answer.data) == {
        "type": "/problems/refused-here",
        "title": "Refused",
        "status": 409,
        "detail": "because of that",
        "request_id": "the-id",
        "because": "reasons",
    }
    assert answer.headers["Location"] == "/there"
    assert answer.headers["Retry-After"] == "3"


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
        answer = raising(error)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert json.loads(answer.data)["type"] == "/problems/unavailable"
    assert "hush" not in json.dumps(logged)


def test_a_bug_tells_its_caller_nothing_and_its_operator_all(raising: Any) -> None:
    with capture_logs() as logged:
        answer = raising(ZeroDivisionError("hush"))
    assert answer.status_code == 500
    document = json.loads(answer.data)
    assert document["type"] == "/problems/internal-error"
    assert document["request_id"] == "the-id"
    assert "hush" not in answer.text
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


def test_an_abort_with_an_answer_of_its_own_gives_that_answer(unconnected: Flask) -> None:
    unconnected.add_url_rule("/own", view_func=lambda: abort(Response("own", 207)))
    answer = unconnected.test_client().get("/own")
    assert (answer.status_code, answer.data) == (207, b"own")


def test_a_wrong_method_tells_the_right_ones(unconnected: Flask) -> None:
    answer = unconnected.test_client().delete("/healthz")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    told = json.loads(answer.data)
    assert told["type"] == "/problems/method-not-allowed"
    assert told["detail"] == "this address does not take this method; Allow names those it takes"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/nothing", "/api/v1/signals/not-an-id", "/docs/x/y"])
def test_an_unknown_address_is_refused_in_a_plain_sentence(unconnected: Flask, path: str) -> None:
    answer = unconnected.test_client().get(path)
    assert answer.status_code == 404
    assert json.loads(answer.data)["detail"] == "there is nothing at this address"


def test_a_range_that_a_file_does_not_have_is_refused_in_a_plain_sentence(unconnected: Flask) -> None:
    answer = unconnected.test_client().get("/docs/docs.js", headers={"Range": "bytes=99999999-"})
    assert answer.status_code == 416
    assert json.loads(answer.data)["detail"] == "the file has no such range"


@pytest.mark.parametrize("kind", [kind for code, kind in default_exceptions.items() if code >= 400])
def test_no_refusal_speaks_in_werkzeugs_words(kind: type[HTTPException]) -> None:
    _, document = problems.describe_http(kind())
    assert document["detail"]
    assert document["detail"] != kind.description


def test_what_a_view_says_of_a_refusal_is_told() -> None:
    assert problems.describe_http(UnsupportedMediaType("send it as text"))[1]["detail"] == "send it as text"


def test_a_redirect_stays_one(unconnected: Flask) -> None:
    unconnected.add_url_rule("/folder/", view_func=lambda: "")
    answer = unconnected.test_client().get("/folder")
    assert answer.status_code == 308
    assert answer.headers["Location"].endswith("/folder/")


def test_the_head_of_a_problem_has_no_body(unconnected: Flask) -> None:
    answer = unconnected.test_client().head("/nowhere")
    assert answer.status_code == 404
    assert answer.data == b""


def test_a_schemas_own_error_is_a_problem(raising: Any) -> None:
    answer = raising(ValidationError({"a": ["wrong"]}))
    assert answer.status_code == 422
    assert json.loads(answer.data)["errors"] == [{"pointer": "/a", "message": "wrong"}]


@pytest.mark.parametrize("kind", [NotFound, RateLimited, ValidationFailed, Refused])
def test_the_type_of_a_problem_can_be_looked_up(unconnected: Flask, kind: Any) -> None:
    answer = unconnected.test_client().get(f"/problems/{kind.slug}")
    assert answer.get_json()["title"] == kind.title
    assert answer.get_json()["status"] == problems.STATUS[kind.kind]


def test_an_unknown_type_of_problem_is_not_found(unconnected: Flask) -> None:
    assert unconnected.test_client().get("/problems/none").status_code == 404
