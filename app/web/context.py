"""The context of a request: the resources of the process and the id of the request."""

from __future__ import annotations

import re
from typing import Final, cast

import structlog
from flask import current_app, g, has_request_context, request

from app.resources import Resources
from app.shared.db import uuid7

EXTENSION: Final = "signalbox"
REQUEST_ID_HEADER: Final = "X-Request-ID"

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


def resources() -> Resources:
    """The resources of this process. Needs an application context."""
    return cast("Resources", current_app.extensions[EXTENSION])


def request_id() -> str:
    """The id of the current request: its X-Request-ID if that is fit for a log, otherwise a new one.

    Empty outside of a request.
    """
    if not has_request_context():
        return ""
    if "request_id" not in g:
        header = request.headers.get(REQUEST_ID_HEADER, "")
        g.request_id = header if _REQUEST_ID.fullmatch(header) else uuid7().hex
    return cast("str", g.request_id)


def bind_request_id() -> None:
    """Put the id of the request into each of its log lines."""
    # The thread may have served another request before.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id())
