"""Signals as JSON. The schemas validate requests, and the API document is generated from them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from marshmallow import INCLUDE, RAISE, Schema, ValidationError, fields, validate
from sqlalchemy import Row

from app.access import service as access
from app.payloads.domain import VERSION
from app.shared import signatures
from app.shared.clock import rfc3339
from app.shared.errors import FieldError, ValidationFailed
from app.shared.field_errors import field_errors
from app.shared.instruments import TIMEFRAME_SECONDS
from app.signals.api.fields import Levels, Moment, Price, QueryMoment
from app.signals.domain import SIDES, MatchedOn, NewSignal, Status
from app.signals.models import Signal, SignalRow
from app.web.http.fields import Choice, FlatSchema, Instrument, ParsedField, PatternText, Text
from app.web.http.paging import PageQuery
from app.web.http.problem_schema import ProblemSchema

_VERSION: Final = (VERSION.pattern, "1-20 of A-Z a-z 0-9 . _ -")
_PRODUCER: Final = (access.PRODUCER_ID.pattern, "1-64 of A-Z a-z 0-9 . _ -")
_EXTERNAL_ID: Final = (r"[\x20-\x7e]{1,128}", "1-128 printable ASCII characters")
_NOT_AN_OBJECT: Final = "Must be an object."


class PayloadSchema(FlatSchema):
    """A payload: any keys and values. The service uses the keys named here, so their values are validated."""

    class Meta:
        unknown = INCLUDE

    error_messages = {"type": _NOT_AN_OBJECT}  # noqa: RUF012 - the name and form are marshmallow's

    stop_loss = Levels()
    take_profit = Levels()
    timeframe = Choice(tuple(TIMEFRAME_SECONDS))
    strategy = Text(1, 64)
    note = Text(0, 2_000)


class Payload(ParsedField, fields.Nested):
    """A payload that is returned unchanged: only the values of the schema's fields are checked."""

    def parse(self, value: Any) -> Any:
        self.schema.load(value)
        return value


class NewSignalSchema(FlatSchema):
    """A signal as a producer posts it. Unknown fields are refused."""

    class Meta:
        unknown = RAISE

    error_messages = {"type": _NOT_AN_OBJECT}  # noqa: RUF012 - the name and form are marshmallow's

    instrument = Instrument(required=True)
    side = Choice(SIDES, required=True)
    price = Price(required=True)
    time = Moment("default: the time of receipt")
    version = PatternText(*_VERSION, load_default="1")
    external_id = PatternText(
        *_EXTERNAL_ID,
        metadata={
            "description": "the producer's own id of the signal; it makes a second signal with it a duplicate, for ever"
        },
    )
    payload = Payload(PayloadSchema)


class SignalSchema(Schema):
    """A stored signal. Its price is a text, so that no JSON parser rounds it."""

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
    signed = fields.Boolean(required=True, metadata={"description": "whether its message had a valid signature"})
    received_at = fields.DateTime(required=True)


class DuplicateProblemSchema(ProblemSchema):
    """The refusal of a signal that repeats a stored one."""

    existing_signal_id = fields.UUID(required=True)
    matched_on = fields.String(required=True, validate=validate.OneOf(list(MatchedOn)))
    differs = fields.List(
        fields.String(),
        required=True,
        metadata={"description": "fields whose values differ from the stored signal; empty for an exact repetition"},
    )


class SignalPageSchema(Schema):
    signals = fields.List(fields.Nested(SignalSchema), required=True)
    next_cursor = fields.String(required=True, allow_none=True, metadata={"description": "null on the last page"})


class SignalFilters(Schema):
    """Filters of a list of signals. A signal must match all given filters."""

    instrument = Instrument()
    side = fields.String(validate=validate.OneOf(SIDES))
    status = fields.String(validate=validate.OneOf(list(Status)))
    producer = PatternText(*_PRODUCER)
    version = PatternText(*_VERSION)
    since = QueryMoment("signals at this time or later")
    until = QueryMoment("signals before this time")


class SignalQuery(SignalFilters, PageQuery):
    """Filters, and the page of the list."""


HEADERS: Final = [
    {
        "in": "header",
        "name": access.PRODUCER_HEADER,
        "description": f"the producer; required if signatures are required; default: `{access.DEFAULT_PRODUCER}`",
        "schema": {"type": "string", "pattern": f"^{_PRODUCER[0]}$"},
    },
    {
        "in": "header",
        "name": signatures.ID_HEADER,
        "description": "id of a signed message (Standard Webhooks); the external_id of its signals that have none",
        "schema": {"type": "string"},
    },
    {
        "in": "header",
        "name": signatures.TIMESTAMP_HEADER,
        "description": "seconds since the epoch, close to the present",
        "schema": {"type": "string"},
    },
]
"""Request headers of a signal as OpenAPI parameters. The signature header is documented as a security scheme."""

_NEW_SIGNAL: Final = NewSignalSchema()


def read_signal(
    document: Any, *, producer_id: str, now: datetime, max_ahead_seconds: int, signed: bool, message_id: str | None
) -> NewSignal:
    """A signal from a parsed JSON document. Raises ValidationFailed with a pointer to every invalid value.

    `now` is the default of `time`, which may lie at most `max_ahead_seconds` after it.
    `message_id` is the external_id of a signal that names none: the id of a verified message, or of an item in it.
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
    signal = {"time": now, "external_id": message_id, **values}
    return NewSignal(producer_id=producer_id, signed=signed, timed="time" in values, **signal)


def signal_view(signal: Signal | SignalRow | Row[Any]) -> dict[str, Any]:
    """A stored signal as SignalSchema describes it, for exact_json.dumps."""
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
