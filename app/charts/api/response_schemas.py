"""A chart as the API shows it: where its picture is, or how far it has got."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.charts import service
from app.charts.models import Chart
from app.shared.clock import rfc3339

STATUSES = (service.QUEUED, service.RENDERING, service.READY, service.FAILED, service.EXPIRED)


class ChartSchema(Schema):
    """The answer's description; `describe` writes it."""

    id = fields.String(metadata={"description": "Equal for equal requests of one caller"})
    task_id = fields.String()
    type = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    attempts = fields.Integer(metadata={"description": "Renders started"})
    width = fields.Integer(metadata={"description": "Pixels of the image, scale included"})
    height = fields.Integer()
    bytes = fields.Integer(allow_none=True)
    image_url = fields.String(allow_none=True, metadata={"description": "Null until the image is ready"})
    created_at = fields.DateTime()
    ready_at = fields.DateTime(allow_none=True)
    expires_at = fields.DateTime(allow_none=True)
    warnings = fields.List(fields.String())
    error = fields.String(allow_none=True, metadata={"description": "Why the last attempt failed"})
    degraded = fields.Boolean(metadata={"description": "A placeholder: the drawing libraries could not be loaded"})
    alt = fields.String(metadata={"description": "The picture in one sentence, for a screen reader"})


def describe(chart: Chart) -> dict[str, Any]:
    return {
        "id": chart.id,
        "task_id": chart.id,
        "type": chart.type,
        "status": chart.status,
        "attempts": chart.attempts,
        "width": chart.width,
        "height": chart.height,
        "bytes": chart.bytes if chart.status == service.READY else None,
        "image_url": f"/api/v1/charts/{chart.id}.{chart.format}" if chart.status == service.READY else None,
        "created_at": rfc3339(chart.created_at),
        "ready_at": rfc3339(chart.ready_at) if chart.ready_at else None,
        "expires_at": rfc3339(chart.expires_at) if chart.expires_at else None,
        "warnings": chart.warnings,
        "error": chart.error,
        "degraded": chart.degraded,
        "alt": chart.alt,
    }
