"""Batches of signals as JSON: the request's envelope and items, and the response with one result for each item."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.shared import exact_json
from app.shared.errors import DomainError, ErrorKind, FieldError, PayloadTooLarge, ValidationFailed
from app.shared.field_errors import field_errors
from app.signals.api.fields import Flag
from app.signals.api.schemas import NewSignalSchema, SignalSchema, signal_view
from app.signals.domain import MatchedOn, NewSignal
from app.signals.models import SignalRow
from app.web.http import problems
from app.web.http.problem_schema import ProblemSchema

MAX_DEPTH: Final = exact_json.MAX_DEPTH + 2
"""An item may be as deep as a single signal, and it lies in an array in an object."""

MAX_MESSAGE_ID_LENGTH: Final = 120
"""Leaves room for an item's index within the 128 characters of an external_id."""

ParsedItem = NewSignal | DomainError
Outcome = SignalRow | DomainError


class UnparsedItem(fields.Nested):
    """An item that is documented by its schema and loaded unchanged, so that one bad item does not refuse the batch."""

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return value


class BatchSchema(Schema):
    class Meta:
        unknown = RAISE

    error_messages = {"type": "Must be an object."}  # noqa: RUF012 - the name and form are marshmallow's

    signals = fields.List(UnparsedItem(NewSignalSchema), required=True, validate=validate.Length(1))
    atomic = Flag(load_default=False, metadata={"description": "store all signals or none"})


class ItemProblemSchema(ProblemSchema):
    """Why an item was refused. Duplicates have further fields."""

    existing_signal_id = fields.UUID(metadata={"description": "id of the stored signal that a duplicate repeats"})
    duplicate_of_index = fields.Integer(metadata={"description": "index of the earlier item that a duplicate repeats"})
    matched_on = fields.String(validate=validate.OneOf(list(MatchedOn)))
    differs = fields.List(fields.String())


class BatchResultSchema(Schema):
    """The result of one item: the stored signal, or the problem that refused it."""

    index = fields.Integer(required=True, validate=validate.Range(0))
    status = fields.Integer(required=True, validate=validate.OneOf([201, 409, 413, 422, 424]))
    signal = fields.Nested(SignalSchema)
    problem = fields.Nested(ItemProblemSchema)


class BatchSummarySchema(Schema):
    total = fields.Integer(required=True)
    created = fields.Integer(required=True)
    duplicates = fields.Integer(required=True)
    invalid = fields.Integer(required=True)
    not_stored = fields.Integer(
        required=True, metadata={"description": "valid signals of an atomic batch that was refused"}
    )


class BatchResponseSchema(Schema):
    results = fields.List(fields.Nested(BatchResultSchema), required=True)
    summary = fields.Nested(BatchSummarySchema, required=True)


_BATCH: Final = BatchSchema()


def read_envelope(document: Any, *, max_items: int) -> tuple[list[Any], bool]:
    """The unparsed items, and whether the batch is atomic. Raises ValidationFailed."""
    try:
        values = _BATCH.load(document)
    except ValidationError as error:
        raise ValidationFailed(field_errors(error.messages)) from error
    if len(values["signals"]) > max_items:
        raise ValidationFailed([FieldError("/signals", f"Must be at most {max_items} signals.")])
    return values["signals"], values["atomic"]


def read_items(
    items: Sequence[Any], read: Callable[[Any, str | None], NewSignal], *, message_id: str | None, max_bytes: int
) -> Iterator[ParsedItem]:
    """Each item as a signal, or as the error that refuses it, with pointers into the whole batch.

    `read` receives an item and the external_id of an item that names none; only items of a signed message get one.
    """
    for index, item in enumerate(items):
        # Measured in compact form, so that white space does not count.
        if len(exact_json.dumps(item)) > max_bytes:
            yield PayloadTooLarge(f"at most {max_bytes} bytes for one signal")
            continue
        try:
            yield read(item, item_external_id(message_id, index) if message_id is not None else None)
        except ValidationFailed as refusal:
            prefix = f"/signals/{index}"
            yield ValidationFailed([FieldError(prefix + error.pointer, error.message) for error in refusal.errors])


def item_external_id(message_id: str, index: int) -> str:
    """The external_id of an item of a signed message. It depends on nothing else, so a repeated message repeats it."""
    if len(message_id) > MAX_MESSAGE_ID_LENGTH:
        message_id = f"sha256:{hashlib.sha256(message_id.encode()).hexdigest()}"
    return f"{message_id}#{index}"


def batch_view(outcomes: Sequence[Outcome], request_id: str) -> tuple[dict[str, Any], int]:
    """The response as BatchResponseSchema describes it, and its HTTP status."""
    results = [_result(index, outcome, request_id) for index, outcome in enumerate(outcomes)]
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


def _result(index: int, outcome: Outcome, request_id: str) -> dict[str, Any]:
    if isinstance(outcome, SignalRow):
        return {"index": index, "status": HTTPStatus.CREATED.value, "signal": signal_view(outcome)}
    status, problem = problems.describe(outcome)
    return {"index": index, "status": status, "problem": problem | {"request_id": request_id}}


def _status(summary: dict[str, int]) -> HTTPStatus:
    if summary["created"] == summary["total"]:
        return HTTPStatus.CREATED
    if summary["created"]:
        return HTTPStatus.MULTI_STATUS
    return problems.STATUS[ErrorKind.INVALID if summary["invalid"] else ErrorKind.CONFLICT]
