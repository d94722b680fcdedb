"""Batches of signals as JSON, in and out: an envelope, and one verdict for each item whatever becomes of the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.shared import exact_json
from app.shared.errors import DomainError, ErrorKind, FieldError, PayloadTooLarge, ValidationFailed
from app.signals.api.fields import Flag
from app.signals.api.schemas import NewSignalSchema, SignalSchema, signal_view
from app.signals.domain import MatchedOn, NewSignal
from app.signals.models import SignalRow
from app.web.http import problems
from app.web.http.problem_schema import ProblemSchema

MAX_DEPTH: Final = exact_json.MAX_DEPTH + 2
"""An item may be as deep as a signal of its own: it lies in an array in an object."""

LONGEST_MESSAGE_ID: Final = 120
"""Leaves room for an item's place in the 128 characters of an external_id."""

Told = NewSignal | DomainError
Verdict = SignalRow | DomainError


class Unread(fields.Nested):
    """Documented as what is nested, and left as it is: one wrong item must not refuse the others."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return value


class BatchSchema(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"type": "Must be an object."}  # noqa: RUF012 - the name and form are marshmallow's

    signals = fields.List(Unread(NewSignalSchema), required=True, validate=validate.Length(1))
    atomic = Flag(load_default=False, metadata={"description": "store all of them or none"})


class ItemProblemSchema(ProblemSchema):
    """Why an item is refused: what a problem of its kind has besides is there too."""

    existing_signal_id = fields.UUID(metadata={"description": "of a duplicate"})
    duplicate_of_index = fields.Integer(metadata={"description": "of a duplicate inside the batch: the first of them"})
    matched_on = fields.String(validate=validate.OneOf(list(MatchedOn)))
    differs = fields.List(fields.String())


class BatchResultSchema(Schema):
    """What became of one item: the stored signal, or the problem that would have been its answer had it come alone."""

    index = fields.Integer(required=True, validate=validate.Range(0))
    status = fields.Integer(required=True, validate=validate.OneOf([201, 409, 413, 422, 424]))
    signal = fields.Nested(SignalSchema)
    problem = fields.Nested(ItemProblemSchema)


class BatchSummarySchema(Schema):
    total = fields.Integer(required=True)
    created = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    invalid = fields.Integer(required=True)
    not_stored = fields.Integer(required=True, metadata={"description": "fit, but their atomic batch was refused"})


class BatchResponseSchema(Schema):
    results = fields.List(fields.Nested(BatchResultSchema), required=True)
    summary = fields.Nested(BatchSummarySchema, required=True)


_BATCH: Final = BatchSchema()


def read_envelope(document: Any, *, most: int) -> tuple[list[Any], bool]:
    """The items, not yet looked at, and whether they are to be stored all or none. Raises ValidationFailed."""
    try:
        values = _BATCH.load(document)
    except ValidationError as error:
        raise ValidationFailed(problems.field_errors(error.messages)) from error
    if len(values["signals"]) > most:
        raise ValidationFailed([FieldError("/signals", f"Must be at most {most} signals.")])
    return values["signals"], values["atomic"]


def read_items(
    items: Sequence[Any], read: Callable[[Any, str | None], NewSignal], *, message_id: str | None, most_bytes: int
) -> Iterator[Told]:
    """Each item as a signal, or as what is wrong with it, with pointers into the whole batch.

    `read` gets an item and the external_id it has if it names none: of a signed message, one for each place in it.
    """
    for index, item in enumerate(items):
        # The size of an item is that of its compact form: how it was spaced is nobody's business.
        if len(exact_json.dumps(item)) > most_bytes:
            yield PayloadTooLarge(f"at most {most_bytes} bytes for one signal")
            continue
        try:
            yield read(item, place_id(message_id, index) if message_id is not None else None)
        except ValidationFailed as refusal:
            place = f"/signals/{index}"
            yield ValidationFailed([FieldError(place + error.pointer, error.message) for error in refusal.errors])


def place_id(message_id: str, index: int) -> str:
    """An external_id for one place in a signed message: the same whenever that message comes."""
    if len(message_id) > LONGEST_MESSAGE_ID:
        message_id = f"sha256:{hashlib.sha256(message_id.encode()).hexdigest()}"
    return f"{message_id}#{index}"


def batch_view(verdicts: Sequence[Verdict], request_id: str) -> tuple[dict[str, Any], int]:
    """The answer as BatchResponseSchema describes it, and its status."""
    results = [_result(index, verdict, request_id) for index, verdict in enumerate(verdicts)]
    statuses = [result["status"] for result in results]
    created, duplicates, not_stored = (
        statuses.count(status) for status in (HTTPStatus.CREATED, HTTPStatus.CONFLICT, HTTPStatus.FAILED_DEPENDENCY)
    )
    summary = {
        "total": len(results),
        "created": created,
        "duplicates": duplicates,
        "invalid": len(results) - created - duplicates - not_stored,
        "not_stored": not_stored,
    }
    return {"results": results, "summary": summary}, _status(summary).value


def _result(index: int, verdict: Verdict, request_id: str) -> dict[str, Any]:
    if isinstance(verdict, SignalRow):
        return {"index": index, "status": HTTPStatus.CREATED.value, "signal": signal_view(verdict)}
    status, problem = problems.describe(verdict)
    return {"index": index, "status": status, "problem": problem | {"request_id": request_id}}


def _status(summary: dict[str, int]) -> HTTPStatus:
    if summary["created"] == summary["total"]:
        return HTTPStatus.CREATED
    if summary["created"]:
        return HTTPStatus.MULTI_STATUS
    return problems.STATUS[ErrorKind.INVALID if summary["invalid"] else ErrorKind.CONFLICT]
