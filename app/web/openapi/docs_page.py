"""Serves the OpenAPI 3.1 document made from the routes, a page that shows it offline, and the problem types."""

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

blueprint = Blueprint("docs", __name__)

VERSION: Final = "1"
DESCRIPTION: Final = (
    "Receives trading signals, stores each once, and draws charts. Times are in UTC (RFC 3339), decimals of "
    "signals are strings, errors are problem documents (RFC 9457)."
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
    """Create the document. Blueprints that are registered with the returned object are described in it."""
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
    components.security_scheme("key", {"type": "http", "scheme": "bearer", "description": "A token of API_KEYS"})
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
    unexpected = problem_response_object(HTTPStatus.INTERNAL_SERVER_ERROR)
    components.response(Api.DEFAULT_ERROR_RESPONSE_NAME, unexpected | {"description": "Any other problem"}, lazy=True)


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The OpenAPI document."""
    response = json_response(current_app.extensions[_EXTENSION].spec.to_dict())
    response.headers["Cache-Control"] = "no-cache"
    return response


@blueprint.get("/docs")
def page() -> Response:
    """The page that shows the document. It loads nothing from other hosts."""
    response = send_from_directory(OWN, "docs.html")
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


@blueprint.get("/docs/<name>")
def asset(name: str) -> Response:
    """The scripts and styles of the page."""
    if name not in ASSETS:
        raise NotFound("no such file")
    return send_from_directory(ASSETS[name], name, max_age=A_DAY)


@blueprint.get(f"{problems.TYPE_PREFIX}<slug>")
def problem(slug: str) -> Response:
    """The title and status of a problem type."""
    problem_type = problems.catalogue().get(slug)
    if problem_type is None:
        raise NotFound("no such problem type")
    title, status = problem_type
    return json_response({"type": problems.TYPE_PREFIX + slug, "title": title, "status": status})
