"""Schemas of a problem document, for the API document and for responses that contain problems."""

from __future__ import annotations

from marshmallow import Schema, fields


class FieldErrorSchema(Schema):
    pointer = fields.String(required=True, metadata={"description": "JSON pointer (RFC 6901) to the wrong value"})
    message = fields.String(required=True)


class ProblemSchema(Schema):
    """RFC 9457, with the id of the request."""

    type = fields.String(
        required=True,
        metadata={"description": "stable address that explains the problem", "format": "uri-reference"},
    )
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)
    request_id = fields.String(required=True)
    errors = fields.List(fields.Nested(FieldErrorSchema), metadata={"description": "of validation-failed"})
