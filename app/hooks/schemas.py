"""Bodies that hooks receive and send, as JSON and as text, and how a sender's document becomes a signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from marshmallow import INCLUDE, Schema, fields

from app.hooks.domain import FieldMap, MappedSignal, map_fields, parse_lines
from app.shared import exact_json
from app.shared.errors import ValidationFailed
from app.signals.api import examples
from app.signals.api.fields import Moment, Price
from app.signals.api.schemas import SignalSchema, read_signal, signal_view
from app.signals.domain import NewSignal

TEXT: Final = "text/plain"
REQUEST: Final = {"ticker": "FX:EURUSD", "action": "buy", "price": "1.0712", "time": "2026-11-23T12:00:00Z"}
REQUEST_AS_TEXT: Final = "ticker: FX:EURUSD\naction: buy\nprice: 1.0712\nstop_loss: 1.0690\n"
RESPONSE: Final = examples.SIGNAL | {"duplicate": False, "signed": False, "external_id": None, "payload": {}}


class HookRequestSchema(Schema):
    """What TradingView and similar senders post. Each hook may use other names. Other fields go into the payload."""

    class Meta:
        unknown = INCLUDE

    ticker = fields.String(required=True, metadata={"description": "or instrument, symbol", "example": "FX:EURUSD"})
    action = fields.String(required=True, metadata={"description": "or side: buy, sell, long, short", "example": "buy"})
    price = Price(required=True)
    time = Moment("or timenow; default: the time of receipt")


class HookResponseSchema(SignalSchema):
    """The stored signal."""

    duplicate = fields.Boolean(required=True, metadata={"description": "whether it was stored before"})
    differs = fields.List(
        fields.String(),
        metadata={
            "description": "only of a duplicate: fields whose sent values differ from the stored signal; "
            "empty for an exact repetition"
        },
    )


def parse_body(body: bytes, mimetype: str, field_map: FieldMap) -> MappedSignal:
    """The signal in a body. A text that begins with a brace is JSON: TradingView sends some JSON as text.

    Raises MalformedJson, MalformedText or ValidationFailed.
    """
    if mimetype == TEXT and not body.lstrip().startswith(b"{"):
        return map_fields(parse_lines(body), field_map)
    return map_fields(exact_json.loads(body), field_map)


def read_mapped_signal(mapped: MappedSignal, *, producer_id: str, now: datetime, max_ahead_seconds: int) -> NewSignal:
    """Raises ValidationFailed. A hook's signals are unsigned: its address authenticates the sender."""
    return read_signal(
        mapped.document,
        producer_id=producer_id,
        now=now,
        max_ahead_seconds=max_ahead_seconds,
        signed=False,
        message_id=None,
    )


@contextmanager
def errors_at_source(mapped: MappedSignal) -> Iterator[None]:
    """Raises ValidationFailed again with pointers into the document that the sender sent."""
    try:
        yield
    except ValidationFailed as refusal:
        raise ValidationFailed([mapped.at_source(error) for error in refusal.errors]) from None


def hook_response(signal: Any) -> dict[str, Any]:
    """A new signal as HookResponseSchema describes it."""
    return signal_view(signal) | {"duplicate": False}


def duplicate_response(signal: Any, differs: Sequence[str]) -> dict[str, Any]:
    """The stored signal that was sent again. `differs` names the fields whose sent values differ from it."""
    return signal_view(signal) | {"duplicate": True, "differs": list(differs)}
