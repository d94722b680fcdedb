"""/api/v1/signals: one signal in or many; one out, a list of them, or all as a file."""

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
from app.signals.api.batch_schemas import BatchResponseSchema, BatchSchema, batch_view
from app.signals.api.http_intake import PATH, intake, refusals_counted
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
from app.signals.models import SignalRow
from app.signals.queries import SignalFilter
from app.web.context import request_id, resources
from app.web.http import paging
from app.web.http.body import check_length, read_body, require_json
from app.web.http.problem_schema import ProblemSchema
from app.web.http.problems import CONTENT_TYPE as PROBLEM
from app.web.http.responses import json_answer
from app.web.openapi.blueprint import Blueprint
from app.web.openapi.completion import RATE_HEADERS, example_of
from app.web.operations.thread_budget import within_budget
from app.web.security import rate_limits

TEXT: Final = {"type": "string"}
LOCATION: Final = {
    "Location": {"description": "where the stored signal is", "schema": {"type": "string", "format": "uri-reference"}}
}
BUSY: Final = "As many exports run as this server takes at once, or the database is away"

blueprint = Blueprint("signals", __name__, url_prefix=PATH, description="What producers told, each stored once")


@blueprint.route("", methods=["POST"])
@blueprint.response(201, SignalSchema, example=examples.SIGNAL, headers=LOCATION | RATE_HEADERS)
@blueprint.alt_response(
    409, schema=DuplicateProblemSchema, content_type=PROBLEM, example=examples.DUPLICATE, headers=LOCATION
)
@blueprint.alt_response(429, description="Over the limit of this producer", headers=RATE_HEADERS)
@blueprint.body(NewSignalSchema, example=examples.NEW_SIGNAL)
@blueprint.doc(parameters=HEADERS, security=[{"key": []}, {"signature": []}])
def create() -> Response:
    """Post a signal

    201 once it is stored; 409 with `existing_signal_id` when it is one that is stored already.
    """
    with metrics.CREATE_SECONDS.time(), refusals_counted():
        try:
            now = resources().clock()
            signal = intake().accept(_read(now), now=now, request_id=request_id())
        except DuplicateSignal as duplicate:
            metrics.count_duplicate("api", duplicate.differs)
            duplicate.location = f"{PATH}/{duplicate.existing_id}"
            raise
        return json_answer(signal_view(signal), 201, {"Location": f"{PATH}/{signal.id}"})


@blueprint.route("/batch", methods=["POST"])
@blueprint.response(
    201, BatchResponseSchema, example=examples.ALL_CREATED, headers=RATE_HEADERS, description="Every signal is stored"
)
@blueprint.alt_response(
    207,
    schema=BatchResponseSchema,
    example=examples.SOME_CREATED,
    description="Some are stored: see each result",
)
@blueprint.alt_response(
    409, schema=BatchResponseSchema, example=examples.ALL_DUPLICATES, description="None is stored: duplicates"
)
@blueprint.alt_response(
    422,
    schema=BatchResponseSchema,
    example=examples.NONE_CREATED,
    description="None is stored: at least one does not fit, or, as a problem, the batch itself does not",
)
@blueprint.alt_response(422, schema=ProblemSchema, content_type=PROBLEM, example=example_of(422))
@blueprint.alt_response(429, description="Over the limit of this producer", headers=RATE_HEADERS)
@blueprint.body(BatchSchema, example=examples.BATCH)
@blueprint.doc(parameters=HEADERS, security=[{"key": []}, {"signature": []}])
def create_batch() -> Response:
    """Post many signals

    Each is judged as if it had come alone, in the order of the batch; with `atomic`, all are stored or none.
    """
    with refusals_counted():
        verdicts = _accept_batch(resources().clock())
    for verdict in verdicts:
        if isinstance(verdict, DomainError):
            metrics.REJECTED.labels(verdict.slug).inc()
        if isinstance(verdict, DuplicateSignal | DuplicateInBatch):
            metrics.count_duplicate("batch", verdict.differs)
    return json_answer(*batch_view(verdicts, request_id()))


@blueprint.route("/<uuid:signal_id>", methods=["GET"])
@blueprint.response(200, SignalSchema, example=examples.SIGNAL)
def show(signal_id: UUID) -> Response:
    """Read a signal"""
    with resources().database.reading() as session:
        return json_answer(signal_view(queries.get(session, signal_id)))


@blueprint.route("", methods=["GET"])
@blueprint.arguments(SignalQuery, location="query")
@blueprint.response(200, SignalPageSchema, example=examples.PAGE)
def index(query: dict[str, Any]) -> Response:
    """List signals

    Newest first, in the order they came in. Every filter that is given must fit.
    """
    limit = query.pop("limit")
    cursor = query.pop("cursor", None)
    wanted = _filter(query)
    with resources().database.reading() as session:
        rows = queries.search(session, wanted, after_id=_last_seen(cursor), limit=limit + 1)
    page, next_cursor = paging.cut(rows, limit, lambda signal: signal.id)
    return json_answer({"signals": [signal_view(signal) for signal in page], "next_cursor": next_cursor})


@blueprint.route("/export.csv", methods=["GET"])
@blueprint.alt_response(503, description=BUSY)
@blueprint.arguments(SignalFilters, location="query")
@blueprint.response(
    200, TEXT, content_type="text/csv", example=examples.CSV, description="A header, and a line for each signal"
)
def export_csv(query: dict[str, Any]) -> Response:
    """Export signals as CSV

    All that fit, newest first, streamed; the payload is a column of JSON.
    """
    return within_budget(lambda: _file(export.as_csv(_all(query)), "signals.csv", "text/csv; charset=utf-8"))


@blueprint.route("/export.ndjson", methods=["GET"])
@blueprint.alt_response(503, description=BUSY)
@blueprint.arguments(SignalFilters, location="query")
@blueprint.response(
    200, TEXT, content_type="application/x-ndjson", example=examples.NDJSON, description="An object for each"
)
def export_ndjson(query: dict[str, Any]) -> Response:
    """Export signals as lines of JSON

    All that fit, newest first, streamed.
    """
    return within_budget(lambda: _file(export.as_ndjson(_all(query)), "signals.ndjson", "application/x-ndjson"))


def _filter(query: dict[str, Any]) -> SignalFilter:
    return SignalFilter(producer_id=query.pop("producer", None), **query)


def _all(query: dict[str, Any]) -> export.Pages:
    return export.pages(partial(_page, resources().database, _filter(query)))


def _page(database: Database, wanted: SignalFilter, after_id: UUID | None, limit: int) -> Sequence[Row[Any]]:
    with database.reading() as session:
        return queries.scan(session, wanted, after_id=after_id, limit=limit)


def _file(content: Iterator[bytes], name: str, content_type: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, headers=headers, content_type=content_type)


def _read(now: datetime) -> NewSignal:
    """The request as a signal: framing and size, producer, signature, rate, strict JSON, schema, in this order."""
    settings = resources().settings
    message = _receive(settings.signals_max_payload_bytes, now)
    rate_limits.spend(message.producer_id, 1)
    return _reader(message, now)(exact_json.loads(message.body), message.id)


def _accept_batch(now: datetime) -> list[SignalRow | DomainError]:
    """One verdict for each item of the batch."""
    settings = resources().settings
    message = _receive(settings.signals_batch_max_bytes, now)
    document = exact_json.loads(message.body, max_depth=batch_schemas.MAX_DEPTH)
    items, atomic = batch_schemas.read_envelope(document, most=settings.signals_batch_max_items)
    rate_limits.spend(message.producer_id, len(items))
    most_bytes = settings.signals_max_payload_bytes
    told = list(batch_schemas.read_items(items, _reader(message, now), message_id=message.id, most_bytes=most_bytes))
    fit = [(index, item) for index, item in enumerate(told) if isinstance(item, NewSignal)]
    verdicts: dict[int, SignalRow | DomainError]
    if atomic and len(fit) < len(told):
        verdicts = {index: NotStored() for index, _ in fit}
    else:
        found = intake().accept_all(fit, now=now, request_id=request_id(), atomic=atomic)
        verdicts = {index: verdict for (index, _), verdict in zip(fit, found, strict=True)}
    return [verdicts[index] if isinstance(item, NewSignal) else item for index, item in enumerate(told)]


@dataclass(frozen=True, slots=True)
class _Message:
    """A body that came from this producer, for certain where there was a signature."""

    producer_id: str
    body: bytes
    verified: Verified | None

    @property
    def id(self) -> str | None:
        """Its webhook-id, where the signature covers one."""
        return self.verified.message_id if self.verified is not None else None


def _receive(most_bytes: int, now: datetime) -> _Message:
    """Everything that needs no body is checked before the body is read: until then anyone could hold this thread."""
    held = resources()
    require_json()
    check_length(most_bytes)
    producer = access.producer_id(held.settings, request.headers)
    access.check_claim(held.settings, request.headers, producer=producer, now=now)
    body = read_body(most_bytes)
    verified = access.check_signature(held.settings, held.database, request.headers, body, producer=producer, now=now)
    return _Message(producer, body, verified)


def _reader(message: _Message, now: datetime) -> Callable[[Any, str | None], NewSignal]:
    """Reads a document as a signal of this message, given the external_id it has if it names none."""
    read = partial(
        read_signal,
        producer_id=message.producer_id,
        now=now,
        max_ahead_seconds=resources().settings.signals_max_ahead_seconds,
        signed=message.verified is not None,
    )
    check = intake().checked
    return lambda document, external_id: check(read(document, message_id=external_id))


def _last_seen(cursor: str | None) -> UUID | None:
    return UUID(paging.decode(cursor)[0]) if cursor is not None else None
