"""A chart as JSON: its state, and the address of its image once there is one."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from app.charts import service
from app.charts.models import Chart
from app.shared.clock import rfc3339

STATUSES = (service.QUEUED, service.RENDERING, service.READY, service.FAILED, service.EXPIRED)


class ChartSchema(Schema):
    """A chart, as `describe` writes it."""

    id = fields.String(metadata={"description": "Equal requests of one caller have the same id"})
    task_id = fields.String()
    type = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    attempts = fields.Integer(metadata={"description": "Number of attempts to draw it"})
    width = fields.Integer(metadata={"description": "Width of the image in pixels, scale included"})
    height = fields.Integer(metadata={"description": "Height of the image in pixels, scale included"})
    bytes = fields.Integer(allow_none=True)
    image_url = fields.String(allow_none=True, metadata={"description": "Null until the chart is ready"})
    created_at = fields.DateTime()
    ready_at = fields.DateTime(allow_none=True)
    expires_at = fields.DateTime(allow_none=True)
    warnings = fields.List(fields.String())
    error = fields.String(allow_none=True, metadata={"description": "Why the last attempt failed"})
    degraded = fields.Boolean(
        metadata={"description": "Whether the image is a placeholder because the drawing libraries could not be loaded"}
    )
    alt = fields.String(metadata={"description": "The image described in one sentence, for screen readers"})


def describe(chart: Chart) -> dict[str, Any]:
    """A chart as ChartSchema describes it, for exact_json.dumps."""
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
