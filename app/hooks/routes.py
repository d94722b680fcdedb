"""/api/v1/hooks: signals from senders that cannot set headers, such as TradingView's alerts."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from app.hooks import service
from app.hooks.models import Hook
from app.hooks.schemas import (
    REQUEST,
    REQUEST_AS_TEXT,
    RESPONSE,
    TEXT,
    HookRequestSchema,
    HookResponseSchema,
    duplicate_response,
    errors_at_source,
    hook_response,
    parse_body,
    read_mapped_signal,
)
from app.shared import logs
from app.shared.errors import UnsupportedMediaType
from app.signals import metrics, queries
from app.signals.api.http_intake import PATH, count_refusals, intake
from app.signals.domain import DuplicateSignal
from app.web.context import request_id, resources
from app.web.http.body import check_length, read_body
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint
from app.web.openapi.completion import RATE_HEADERS
from app.web.security import rate_limits
from app.web.security.client_address import client_address

LOCATION: Final = {
    "Location": {"description": "address of the stored signal", "schema": {"type": "string", "format": "uri-reference"}}
}

_JSON: Final = "application/json"

log = logs.get_logger(__name__)

blueprint = Blueprint("hooks", __name__, url_prefix="/api/v1/hooks", description="Signals from senders without headers")


@blueprint.route("/<token>", methods=["POST"])
@blueprint.response(201, HookResponseSchema, example=RESPONSE, headers=LOCATION | RATE_HEADERS)
@blueprint.alt_response(
    200,
    schema=HookResponseSchema,
    example=RESPONSE | {"duplicate": True, "differs": []},
    description="The signal repeats a stored one, which is returned",
)
@blueprint.alt_response(404, description="No such hook, or the sender may not use it")
@blueprint.alt_response(429, description="The producer's rate limit is exceeded", headers=RATE_HEADERS)
@blueprint.body(HookRequestSchema, example=REQUEST)
@blueprint.doc(security=[], requestBody={"content": {TEXT: {"schema": {"type": "string"}, "example": REQUEST_AS_TEXT}}})
def receive(token: str) -> Response:
    """Post a signal to a hook

    For senders that know only an address. JSON, or text with a `name: value` on each line. A signal that repeats a
    stored one gets 200 and `duplicate`, because such senders treat any other status as a failure. `differs` then
    names the fields whose sent values differ from the stored signal.
    """
    with metrics.CREATE_SECONDS.time(), count_refusals():
        mimetype, limit = _mimetype(), resources().settings.signals_max_payload_bytes
        check_length(limit)
        # Before the body is read: without a valid hook address any sender could hold this thread by sending slowly.
        hook = _find_hook(token)
        body = read_body(limit)
        rate_limits.spend(hook.producer_id, 1)
        return _accept(hook, body, mimetype)


def _mimetype() -> str:
    """JSON or text; text is the default. Raises UnsupportedMediaType."""
    mimetype = request.mimetype or TEXT
    if mimetype not in (_JSON, TEXT):
        raise UnsupportedMediaType(f"send the body as {_JSON} or {TEXT}")
    return mimetype


def _find_hook(token: str) -> Hook:
    address = client_address(resources().settings.trusted_proxies)
    with resources().database.reading() as session:
        return service.find(session, token, address=address)


def _accept(hook: Hook, body: bytes, mimetype: str) -> Response:
    now = resources().clock()
    mapped = parse_body(body, mimetype, service.field_map_of(hook))
    with errors_at_source(mapped):
        signal = read_mapped_signal(
            mapped,
            producer_id=hook.producer_id,
            now=now,
            max_ahead_seconds=resources().settings.signals_max_ahead_seconds,
        )
        intake().checked(signal)
    try:
        stored = intake().accept(signal, now=now, request_id=request_id())
    except DuplicateSignal as duplicate:
        metrics.REJECTED.labels(duplicate.slug).inc()
        _report_duplicate(hook, duplicate)
        with resources().database.reading() as session:
            existing = queries.get(session, duplicate.existing_id)
        return json_response(duplicate_response(existing, duplicate.differs))
    return json_response(hook_response(stored), 201, {"Location": f"{PATH}/{stored.id}"})


def _report_duplicate(hook: Hook, duplicate: DuplicateSignal) -> None:
    """Counts a duplicate. Logs one with other content: its sender sees a success, but the content is not stored."""
    metrics.count_duplicate("hook", duplicate.differs)
    if duplicate.differs:
        log.warning(
            "hook_repetition_differs",
            hook_id=str(hook.id),
            signal_id=str(duplicate.existing_id),
            matched_on=duplicate.matched_on.value,
            differs=duplicate.differs,
        )
