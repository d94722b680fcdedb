"""What hooks take and answer, as JSON and as text, and how a sender's document is read as a signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from marshmallow import INCLUDE, Schema, fields

from app.hooks.domain import Translated, Translation, text_fields, translate
from app.shared import exact_json
from app.shared.errors import ValidationFailed
from app.signals.api import examples
from app.signals.api.fields import Moment, Price
from app.signals.api.schemas import SignalSchema, read_signal, signal_view
from app.signals.domain import NewSignal

TEXT: Final = "text/plain"
SENT: Final = {"ticker": "FX:EURUSD", "action": "buy", "price": "1.0712", "time": "2026-11-23T12:00:00Z"}
SENT_AS_TEXT: Final = "ticker: FX:EURUSD\naction: buy\nprice: 1.0712\nstop_loss: 1.0690\n"
RESPONSE: Final = examples.SIGNAL | {"duplicate": False, "signed": False, "external_id": None, "payload": {}}


class SentSchema(Schema):
    """What TradingView and its like send. Other names may be set for each hook; what is left goes into the payload."""

    class Meta:
        unknown = INCLUDE

    ticker = fields.String(required=True, metadata={"description": "or instrument, symbol", "example": "FX:EURUSD"})
    action = fields.String(required=True, metadata={"description": "or side: buy, sell, long, short", "example": "buy"})
    price = Price(required=True)
    time = Moment("or timenow; default: when it is received")


class HookResponseSchema(SignalSchema):
    """The stored signal."""

    duplicate = fields.Boolean(required=True, metadata={"description": "whether it was stored before"})
    differs = fields.List(
        fields.String(),
        metadata={
            "description": "of a duplicate: fields in which what was sent is not like the stored signal; "
            "none: a true repetition"
        },
    )


def read_sent(body: bytes, mimetype: str, translation: Translation) -> Translated:
    """A body in our words. A text may be JSON too, as TradingView sends what it cannot make sure is JSON.

    Raises MalformedJson, MalformedText or ValidationFailed.
    """
    if mimetype == TEXT and not body.lstrip().startswith(b"{"):
        return translate(text_fields(body), translation)
    return translate(exact_json.loads(body), translation)


def read_as_signal(sent: Translated, *, producer_id: str, now: datetime, max_ahead_seconds: int) -> NewSignal:
    """Raises ValidationFailed. A hook's signal is never signed: its address vouches for it."""
    return read_signal(
        sent.document,
        producer_id=producer_id,
        now=now,
        max_ahead_seconds=max_ahead_seconds,
        signed=False,
        message_id=None,
    )


@contextmanager
def errors_at_source(sent: Translated) -> Iterator[None]:
    """Lets ValidationFailed name what the sender wrote instead of what it was translated to."""
    try:
        yield
    except ValidationFailed as refusal:
        raise ValidationFailed([sent.at_source(error) for error in refusal.errors]) from None


def hook_response(signal: Any) -> dict[str, Any]:
    """A new signal as HookResponseSchema describes it."""
    return signal_view(signal) | {"duplicate": False}


def duplicate_response(known: Any, differs: Sequence[str]) -> dict[str, Any]:
    """The stored signal that was sent again, possibly with other content in the fields named by `differs`."""
    return signal_view(known) | {"duplicate": True, "differs": list(differs)}
