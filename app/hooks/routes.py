"""/api/v1/hooks: signals from senders that cannot set headers, such as TradingView's alerts."""

from __future__ import annotations

from typing import Final

from flask import Response, request

from app.hooks import service
from app.hooks.models import Hook
from app.hooks.schemas import (
    RESPONSE,
    SENT,
    SENT_AS_TEXT,
    TEXT,
    HookResponseSchema,
    SentSchema,
    duplicate_response,
    errors_at_source,
    hook_response,
    read_as_signal,
    read_sent,
)
from app.shared import logs
from app.shared.errors import UnsupportedMediaType
from app.signals import metrics
from app.signals import queries as stored
from app.signals.api.http_intake import PATH, intake, refusals_counted
from app.signals.domain import DuplicateSignal
from app.web.context import request_id, resources
from app.web.http.body import check_length, read_body
from app.web.http.responses import json_answer
from app.web.openapi.blueprint import Blueprint
from app.web.openapi.completion import RATE_HEADERS
from app.web.security import rate_limits
from app.web.security.client_address import client_address

LOCATION: Final = {
    "Location": {"description": "where it is read", "schema": {"type": "string", "format": "uri-reference"}}
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
    description="It was stored before: this is it",
)
@blueprint.alt_response(404, description="No such hook, or not for this sender")
@blueprint.alt_response(429, description="Over the limit of this producer", headers=RATE_HEADERS)
@blueprint.body(SentSchema, example=SENT)
@blueprint.doc(security=[], requestBody={"content": {TEXT: {"schema": {"type": "string"}, "example": SENT_AS_TEXT}}})
def receive(token: str) -> Response:
    """Post a signal to a hook

    For senders that only know an address. JSON, or text with a `name: value` on each line. A signal that is known
    already is answered with 200 and `duplicate`, for such senders take anything else for a failure. `differs` then
    names the fields in which what was sent is not like what is stored.
    """
    with metrics.CREATE_SECONDS.time(), refusals_counted():
        mimetype, limit = _mimetype(), resources().settings.signals_max_payload_bytes
        check_length(limit)
        # Before the body is read: until the address is known to be a hook's, anyone could hold this thread.
        hook = _hook(token)
        body = read_body(limit)
        rate_limits.spend(hook.producer_id, 1)
        return _accept(hook, body, mimetype)


def _mimetype() -> str:
    """JSON or text; a body whose sender does not say is text."""
    mimetype = request.mimetype or TEXT
    if mimetype not in (_JSON, TEXT):
        raise UnsupportedMediaType(f"send the body as {_JSON} or {TEXT}")
    return mimetype


def _hook(token: str) -> Hook:
    held = resources()
    address = client_address(held.settings.trusted_proxies)
    with held.database.reading() as session:
        return service.find(session, token, address=address)


def _accept(hook: Hook, body: bytes, mimetype: str) -> Response:
    held = resources()
    now = held.clock()
    sent = read_sent(body, mimetype, service.translation_of(hook))
    with errors_at_source(sent):
        new = intake().checked(
            read_as_signal(
                sent,
                producer_id=hook.producer_id,
                now=now,
                max_ahead_seconds=held.settings.signals_max_ahead_seconds,
            )
        )
    try:
        signal = intake().accept(new, now=now, request_id=request_id())
    except DuplicateSignal as duplicate:
        metrics.REJECTED.labels(duplicate.slug).inc()
        _report_repetition(hook, duplicate)
        with held.database.reading() as session:
            known = stored.get(session, duplicate.existing_id)
        return json_answer(duplicate_response(known, duplicate.differs))
    return json_answer(hook_response(signal), 201, {"Location": f"{PATH}/{signal.id}"})


def _report_repetition(hook: Hook, duplicate: DuplicateSignal) -> None:
    """Count a repetition, and log one whose content differs: its sender sees a success, and the content is not kept."""
    metrics.count_duplicate("hook", duplicate.differs)
    if duplicate.differs:
        log.warning(
            "hook_repetition_differs",
            hook_id=str(hook.id),
            signal_id=str(duplicate.existing_id),
            matched_on=duplicate.matched_on.value,
            differs=duplicate.differs,
        )
