"""Signals as JSON, in and out. The schemas are the rules of what is taken and, word for word, what is documented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import Row

from app.access import service as access
from app.shared import signatures
from app.shared.clock import rfc3339
from app.shared.errors import FieldError, ValidationFailed
from app.shared.instruments import TIMEFRAME_SECONDS
from app.signals.api.fields import Levels, Moment, Price, QueryMoment
from app.signals.domain import SIDES, MatchedOn, NewSignal, Status
from app.signals.models import Signal, SignalRow
from app.web.http.fields import Instrument, PatternText
from app.web.http.paging import PageQuery
from app.web.http.problem_schema import ProblemSchema
from app.web.http.problems import field_errors

_VERSION: Final = (r"[A-Za-z0-9._-]{1,20}", "1-20 of A-Z a-z 0-9 . _ -")
_PRODUCER: Final = (r"[A-Za-z0-9._-]{1,64}", "1-64 of A-Z a-z 0-9 . _ -")
_EXTERNAL_ID: Final = (r"[\x20-\x7e]{1,128}", "1-128 printable ASCII characters")
_NOT_AN_OBJECT: Final = "Must be an object."


class PayloadSchema(Schema):
    """What a payload may hold besides anything else: these keys mean something here, so they have a form."""

    class Meta:
        unknown = INCLUDE

    error_messages = {"type": _NOT_AN_OBJECT}  # noqa: RUF012 - the name and form are marshmallow's

    stop_loss = Levels()
    take_profit = Levels()
    timeframe = fields.String(validate=validate.OneOf(tuple(TIMEFRAME_SECONDS)))
    strategy = fields.String(validate=validate.Length(1, 64))
    note = fields.String(validate=validate.Length(max=2_000))


class NewSignalSchema(Schema):
    """A signal as a producer posts it. Fields that are not named here are refused."""

    class Meta:
        unknown = RAISE

    error_messages = {"type": _NOT_AN_OBJECT}  # noqa: RUF012 - the name and form are marshmallow's

    instrument = Instrument(required=True)
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    price = Price(required=True)
    time = Moment("default: when it is received")
    version = PatternText(*_VERSION, load_default="1")
    external_id = PatternText(*_EXTERNAL_ID, metadata={"description": "the producer's own id; stored once for ever"})
    payload = fields.Nested(PayloadSchema)


class SignalSchema(Schema):
    """A stored signal. Its price is a text, so that no reader rounds it."""

    id = fields.UUID(required=True)
    producer_id = fields.String(required=True)
    external_id = fields.String(required=True, allow_none=True)
    instrument = fields.String(required=True, metadata={"example": "AAPL"})
    side = fields.String(required=True, validate=validate.OneOf(SIDES))
    price = fields.String(required=True, metadata={"example": "187.20"})
    time = fields.DateTime(required=True)
    version = fields.String(required=True)
    payload = fields.Nested(PayloadSchema, required=True)
    status = fields.String(required=True, validate=validate.OneOf(list(Status)))
    signed = fields.Boolean(required=True, metadata={"description": "came with a signature that holds"})
    received_at = fields.DateTime(required=True)


class DuplicateProblemSchema(ProblemSchema):
    """The refusal of a signal that is stored already."""

    existing_signal_id = fields.UUID(required=True)
    matched_on = fields.String(required=True, validate=validate.OneOf(list(MatchedOn)))
    differs = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "fields that are not the same as the stored ones; none: a true repetition"},
    )


class SignalPageSchema(Schema):
    signals = fields.List(fields.Nested(SignalSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "null on the last page"})


class SignalFilters(Schema):
    """What a list of signals may be narrowed down by; every filter that is given must fit."""

    instrument = Instrument()
    side = fields.String(validate=validate.OneOf(SIDES))
    status = fields.String(validate=validate.OneOf(list(Status)))
    producer = PatternText(*_PRODUCER)
    version = PatternText(*_VERSION)
    since = QueryMoment("signals of this time or later")
    until = QueryMoment("signals before this time")


class SignalQuery(SignalFilters, PageQuery):
    """One page of them."""


HEADERS: Final = [
    {
        "in": "header",
        "name": access.PRODUCER_HEADER,
        "description": f"who sends; needed when signatures are required, else `{access.DEFAULT_PRODUCER}`",
        "schema": {"type": "string", "pattern": f"^{_PRODUCER[0]}$"},
    },
    {
        "in": "header",
        "name": signatures.ID_HEADER,
        "description": "id of a signed message (Standard Webhooks); names those of its signals without an external_id",
        "schema": {"type": "string"},
    },
    {
        "in": "header",
        "name": signatures.TIMESTAMP_HEADER,
        "description": "seconds since the epoch, near to now",
        "schema": {"type": "string"},
    },
]
"""The headers of a posted signal, as OpenAPI parameters; the signature itself is a security scheme."""

_NEW_SIGNAL: Final = NewSignalSchema()


def read_signal(
    document: Any, *, producer_id: str, now: datetime, max_ahead_seconds: int, signed: bool, message_id: str | None
) -> NewSignal:
    """A parsed JSON document as a signal. Raises ValidationFailed, which names every wrong value by its pointer.

    `now` is the time of a signal that names none, and what its time may be ahead of by `max_ahead_seconds` at most.
    `message_id`, of a verified webhook or of a place in one, is the external id of a signal that has none.
    """
    errors: list[FieldError] = []
    try:
        values: Mapping[str, Any] = _NEW_SIGNAL.load(document)
    except ValidationError as error:
        errors = field_errors(error.messages)
        values = error.valid_data if isinstance(error.valid_data, Mapping) else {}
    if values.get("time", now) > now + timedelta(seconds=max_ahead_seconds):
        errors.append(FieldError("/time", f"Must not be more than {max_ahead_seconds} seconds ahead."))
    if errors:
        raise ValidationFailed(errors)
    told = {"time": now, "external_id": message_id, **values}
    # The payload is kept as it was sent: the schema only looked at it.
    told["payload"] = document.get("payload", {})
    return NewSignal(producer_id=producer_id, signed=signed, timed="time" in values, **told)


def signal_view(signal: Signal | SignalRow | Row[Any]) -> dict[str, Any]:
    """A stored signal as SignalSchema describes it, ready for the exact JSON writer."""
    return {
        "id": str(signal.id),
        "producer_id": signal.producer_id,
        "external_id": signal.external_id,
        "instrument": signal.instrument,
        "side": signal.side,
        "price": format(signal.price, "f"),
        "time": rfc3339(signal.time),
        "version": signal.version,
        "payload": orjson.Fragment(signal.payload),
        "status": signal.status,
        "signed": signal.signed,
        "received_at": rfc3339(signal.received_at),
    }
