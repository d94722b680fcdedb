"""/api/v1/signals: receive one signal or a batch; return one signal, a page of them, or all as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

from flask import Response, request
from sqlalchemy import Row

from app.access import service as access
from app.shared import exact_json
from app.shared.db import Database
from app.shared.errors import DomainError
from app.shared.signatures import Verified
from app.signals import metrics, queries
from app.signals.api import batch_schemas, examples, export
from app.signals.api.batch_schemas import BatchResponseSchema, BatchSchema, Outcome, batch_view
from app.signals.api.http_intake import PATH, count_refusals, intake
from app.signals.api.schemas import (
    HEADERS,
    DuplicateProblemSchema,
    NewSignalSchema,
    SignalFilters,
    SignalPageSchema,
    SignalQuery,
    SignalSchema,
    read_signal,
    signal_view,
)
from app.signals.batch import DuplicateInBatch, NotStored
from app.signals.domain import DuplicateSignal, NewSignal
from app.signals.queries import SignalFilter
from app.web.context import request_id, resources
from app.web.http import paging
from app.web.http.body import check_length, read_body, require_json
from app.web.http.problem_schema import ProblemSchema
from app.web.http.problems import CONTENT_TYPE as PROBLEM
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint
from app.web.openapi.completion import RATE_HEADERS, example_of
from app.web.operations.thread_budget import within_budget
from app.web.security import rate_limits

TEXT: Final = {"type": "string"}
LOCATION: Final = {
    "Location": {"description": "address of the stored signal", "schema": {"type": "string", "format": "uri-reference"}}
}
BUSY: Final = "Too many exports run at once, or the database is unavailable"

blueprint = Blueprint(
    "signals", __name__, url_prefix=PATH, description="Signals received from producers, each stored once"
)


@blueprint.route("", methods=["POST"])
@blueprint.response(201, SignalSchema, example=examples.SIGNAL, headers=LOCATION | RATE_HEADERS)
@blueprint.alt_response(
    409, schema=DuplicateProblemSchema, content_type=PROBLEM, example=examples.DUPLICATE, headers=LOCATION
)
@blueprint.alt_response(429, description="The producer's rate limit is exceeded", headers=RATE_HEADERS)
@blueprint.body(NewSignalSchema, example=examples.NEW_SIGNAL)
@blueprint.doc(parameters=HEADERS, security=[{"key": []}, {"signature": []}])
def create() -> Response:
    """Post a signal

    201 once it is stored; 409 with `existing_signal_id` if it repeats a stored signal.
    """
    with metrics.CREATE_SECONDS.time(), count_refusals():
        try:
            now = resources().clock()
            signal = intake().accept(_read_signal(now), now=now, request_id=request_id())
        except DuplicateSignal as duplicate:
            metrics.count_duplicate("api", duplicate.differs)
            duplicate.location = f"{PATH}/{duplicate.existing_id}"
            raise
        return json_response(signal_view(signal), 201, {"Location": f"{PATH}/{signal.id}"})


@blueprint.route("/batch", methods=["POST"])
@blueprint.response(
    201, BatchResponseSchema, example=examples.ALL_CREATED, headers=RATE_HEADERS, description="All signals are stored"
)
@blueprint.alt_response(
    207,
    schema=BatchResponseSchema,
    example=examples.SOME_CREATED,
    description="Some signals are stored: see each result",
)
@blueprint.alt_response(
    409,
    schema=BatchResponseSchema,
    example=examples.ALL_DUPLICATES,
    description="No signal is stored: all are duplicates",
)
@blueprint.alt_response(
    422,
    schema=BatchResponseSchema,
    example=examples.NONE_CREATED,
    description="No signal is stored: at least one is invalid; as a problem document, the batch itself is invalid",
)
@blueprint.alt_response(422, schema=ProblemSchema, content_type=PROBLEM, example=example_of(422))
@blueprint.alt_response(429, description="The producer's rate limit is exceeded", headers=RATE_HEADERS)
@blueprint.body(BatchSchema, example=examples.BATCH)
@blueprint.doc(parameters=HEADERS, security=[{"key": []}, {"signature": []}])
def create_batch() -> Response:
    """Post many signals

    Each signal is checked like a single one, in the order of the batch; with `atomic`, all are stored or none.
    """
    with count_refusals():
        outcomes = _accept_batch(resources().clock())
    for outcome in outcomes:
        if isinstance(outcome, DomainError):
            metrics.REJECTED.labels(outcome.slug).inc()
        if isinstance(outcome, DuplicateSignal | DuplicateInBatch):
            metrics.count_duplicate("batch", outcome.differs)
    return json_response(*batch_view(outcomes, request_id()))


@blueprint.route("/<uuid:signal_id>", methods=["GET"])
@blueprint.response(200, SignalSchema, example=examples.SIGNAL)
def show(signal_id: UUID) -> Response:
    """Read a signal"""
    with resources().database.reading() as session:
        return json_response(signal_view(queries.get(session, signal_id)))


@blueprint.route("", methods=["GET"])
@blueprint.arguments(SignalQuery, location="query")
@blueprint.response(200, SignalPageSchema, example=examples.PAGE)
def index(query: dict[str, Any]) -> Response:
    """List signals

    Newest first by time of receipt. A signal must match all given filters.
    """
    limit = query.pop("limit")
    cursor = query.pop("cursor", None)
    with resources().database.reading() as session:
        rows = queries.search(session, _filter(query), after_id=_cursor_id(cursor), limit=limit + 1)
    page, next_cursor = paging.cut(rows, limit, lambda signal: signal.id)
    return json_response({"signals": [signal_view(signal) for signal in page], "next_cursor": next_cursor})


@blueprint.route("/export.csv", methods=["GET"])
@blueprint.alt_response(503, description=BUSY)
@blueprint.arguments(SignalFilters, location="query")
@blueprint.response(
    200, TEXT, content_type="text/csv", example=examples.CSV, description="A header row, and a row for each signal"
)
def export_csv(query: dict[str, Any]) -> Response:
    """Export signals as CSV

    All signals that match the filters, newest first, streamed; the payload is a column of JSON.
    """
    return within_budget(lambda: _file(export.as_csv(_pages(query)), "signals.csv", "text/csv; charset=utf-8"))


@blueprint.route("/export.ndjson", methods=["GET"])
@blueprint.alt_response(503, description=BUSY)
@blueprint.arguments(SignalFilters, location="query")
@blueprint.response(
    200,
    TEXT,
    content_type="application/x-ndjson",
    example=examples.NDJSON,
    description="A line with a JSON object for each signal",
)
def export_ndjson(query: dict[str, Any]) -> Response:
    """Export signals as lines of JSON

    All signals that match the filters, newest first, streamed.
    """
    return within_budget(lambda: _file(export.as_ndjson(_pages(query)), "signals.ndjson", "application/x-ndjson"))


def _filter(query: dict[str, Any]) -> SignalFilter:
    return SignalFilter(producer_id=query.pop("producer", None), **query)


def _pages(query: dict[str, Any]) -> export.Pages:
    return export.read_pages(partial(_page, resources().database, _filter(query)))


def _page(database: Database, filters: SignalFilter, after_id: UUID | None, limit: int) -> Sequence[Row[Any]]:
    with database.reading() as session:
        return queries.scan(session, filters, after_id=after_id, limit=limit)


def _file(content: Iterator[bytes], name: str, content_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, headers=headers, content_type=content_type)


def _read_signal(now: datetime) -> NewSignal:
    """The signal in the request. Checks size, producer, signature, rate limit, JSON and schema, in this order."""
    message = _receive(resources().settings.signals_max_payload_bytes, now)
    rate_limits.spend(message.producer_id, 1)
    return _parser(message, now)(exact_json.loads(message.body), message.id)


def _accept_batch(now: datetime) -> list[Outcome]:
    """Stores the signals of the batch in the request. Returns the outcome of each item."""
    settings = resources().settings
    message = _receive(settings.signals_batch_max_bytes, now)
    document = exact_json.loads(message.body, max_depth=batch_schemas.MAX_DEPTH)
    items, atomic = batch_schemas.read_envelope(document, max_items=settings.signals_batch_max_items)
    rate_limits.spend(message.producer_id, len(items))
    max_bytes = settings.signals_max_payload_bytes
    parsed = list(batch_schemas.read_items(items, _parser(message, now), message_id=message.id, max_bytes=max_bytes))
    signals = [(index, item) for index, item in enumerate(parsed) if isinstance(item, NewSignal)]
    outcomes: Sequence[Outcome]
    if atomic and len(signals) < len(parsed):
        outcomes = [NotStored() for _ in signals]
    else:
        outcomes = intake().accept_all(signals, now=now, request_id=request_id(), atomic=atomic)
    by_index = {index: outcome for (index, _), outcome in zip(signals, outcomes, strict=True)}
    return [by_index[index] if isinstance(item, NewSignal) else item for index, item in enumerate(parsed)]


@dataclass(frozen=True, slots=True)
class _ReceivedMessage:
    """A request's body and its producer, which a signature proves where there is one."""

    producer_id: str
    body: bytes
    verified: Verified | None

    @property
    def id(self) -> str | None:
        """The webhook-id, if the signature covers one."""
        return self.verified.message_id if self.verified is not None else None


def _receive(max_bytes: int, now: datetime) -> _ReceivedMessage:
    """Reads the body last: until everything else is checked, any sender could hold this thread by sending slowly."""
    settings, database = resources().settings, resources().database
    require_json()
    check_length(max_bytes)
    producer = access.producer_id(settings, request.headers)
    access.check_claim(settings, request.headers, producer=producer, now=now)
    body = read_body(max_bytes)
    verified = access.check_signature(settings, database, request.headers, body, producer=producer, now=now)
    return _ReceivedMessage(producer, body, verified)


def _parser(message: _ReceivedMessage, now: datetime) -> Callable[[Any, str | None], NewSignal]:
    """Parses a document as a signal of this message, given the external_id of a signal that names none."""
    parse = partial(
        read_signal,
        producer_id=message.producer_id,
        now=now,
        max_ahead_seconds=resources().settings.signals_max_ahead_seconds,
        signed=message.verified is not None,
    )
    check = intake().checked
    return lambda document, external_id: check(parse(document, message_id=external_id))


def _cursor_id(cursor: str | None) -> UUID | None:
    """The id of the last signal on the page before."""
    return UUID(paging.decode(cursor)[0]) if cursor is not None else None
