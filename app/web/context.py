"""What every route may ask about its surroundings: the process's resources and the id of the request."""

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
    """The caller's X-Request-ID where it is fit for a log, else one made for this request; empty outside of one."""
    if not has_request_context():
        return ""
    # The object itself, here and wherever every request passes: each look at Flask's stand-in searches for it anew.
    kept = g._get_current_object()  # noqa: SLF001
    found = kept.get("request_id")
    if found is None:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        found = kept.request_id = given if _REQUEST_ID.fullmatch(given) else uuid7().hex
    return cast("str", found)


def bind_request_id() -> None:
    """Put the request's id into every log line of this request; threads are used again, so clear what was there."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id())
