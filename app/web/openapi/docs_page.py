"""The API described: an OpenAPI 3.1 document made from the routes, a page that shows it offline, the problem types."""

from __future__ import annotations

from http import HTTPStatus
from importlib.resources import files
from pathlib import Path
from typing import Final

import flask_smorest
from flask import Blueprint, Flask, Response, current_app, send_from_directory

from app.shared.errors import NotFound
from app.web.http import problems
from app.web.http.problem_schema import ProblemSchema
from app.web.http.responses import json_response
from app.web.openapi.completion import Completion, problem_response_object

__all__ = ["ProblemSchema", "blueprint", "describe"]

blueprint = Blueprint("docs", __name__)

VERSION: Final = "1"
DESCRIPTION: Final = (
    "Trading signals in, each stored once; charts out, drawn by workers. Times are UTC in RFC 3339, decimals "
    "of signals are texts, refusals are problem documents of RFC 9457."
)
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
VENDORED: Final = Path(str(files("flask_swagger_ui"))) / "dist"
OWN: Final = Path(__file__).resolve().parent / "pages"
ASSETS: Final = {
    "swagger-ui.css": VENDORED,
    "swagger-ui-bundle.js": VENDORED,
    "favicon-32x32.png": VENDORED,
    "docs.js": OWN,
}
A_DAY: Final = 86_400

_EXTENSION: Final = "signalbox.openapi"


class Api(flask_smorest.Api):
    ERROR_SCHEMA = ProblemSchema


def describe(app: Flask) -> Api:
    """Begin the document; blueprints registered on what this returns are in it."""
    app.config.update(API_TITLE="Signalbox", API_VERSION=VERSION, OPENAPI_VERSION="3.1.0")
    api = Api(
        app,
        spec_kwargs={
            "security": [{"key": []}],
            "info": {"description": DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
            "servers": [{"url": "/", "description": "the server that serves this document"}],
            "extra_plugins": [Completion()],
        },
    )
    _describe_problems(api)
    components = api.spec.components
    components.security_scheme("key", {"type": "http", "scheme": "bearer", "description": "a token of API_KEYS"})
    components.security_scheme(
        "signature",
        {
            "type": "apiKey",
            "in": "header",
            "name": "webhook-signature",
            "description": "Standard Webhooks: with webhook-id and webhook-timestamp, HMAC-SHA256 of id.timestamp.body",
        },
    )
    app.extensions[_EXTENSION] = api
    return api


def _describe_problems(api: Api) -> None:
    """Describe a problem of every status, in place of flask-smorest's errors.

    A response registered as lazy is in the document only if an operation refers to it.
    """
    components = api.spec.components
    # flask-smorest registers the schema of its pagination header. Pages of this API have a cursor in the body.
    del components.schemas["PaginationMetadata"]
    for status in HTTPStatus:
        if status >= HTTPStatus.BAD_REQUEST:
            components.response(status.name, problem_response_object(status), lazy=True)
    unforeseen = problem_response_object(HTTPStatus.INTERNAL_SERVER_ERROR)
    components.response(Api.DEFAULT_ERROR_RESPONSE_NAME, unforeseen | {"description": "Any other problem"}, lazy=True)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    answer = json_response(current_app.extensions[_EXTENSION].spec.to_dict())
    answer.headers["Cache-Control"] = "no-cache"
    return answer


@blueprint.get("/docs")
def page() -> Response:
    """The page that shows the document. It asks nothing of any other host."""
    answer = send_from_directory(OWN, "docs.html")
    answer.headers["Content-Security-Policy"] = PAGE_POLICY
    return answer


@blueprint.get("/docs/<name>")
def asset(name: str) -> Response:
    """The scripts and styles of the page."""
    if name not in ASSETS:
        raise NotFound("no such file")
    return send_from_directory(ASSETS[name], name, max_age=A_DAY)


@blueprint.get(f"{problems.TYPE_PREFIX}<slug>")
def problem(slug: str) -> Response:
    """What a problem's type stands for."""
    found = problems.catalogue().get(slug)
    if found is None:
        raise NotFound("no such type of problem")
    title, status = found
    return json_response({"type": problems.TYPE_PREFIX + slug, "title": title, "status": status})
