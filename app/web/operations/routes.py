"""Health, readiness and metrics of a web process, and one log line per request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy.exc
from flask import Flask, Response, current_app, g, request
from marshmallow import Schema, fields, validate
from prometheus_client.registry import Collector
from redis import RedisError

from app.events import service as events
from app.resources import Resources
from app.shared import logs, metrics
from app.shared.storage_check import StorageCheck
from app.web import context
from app.web.context import REQUEST_ID_HEADER, request_id
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint
from app.web.operations import draining, request_metrics
from app.web.security.auth import caller

blueprint = Blueprint("operations", __name__, description="Health and metrics of the service")

HEALTH_CHECKS: Final = frozenset({"operations.healthz", "operations.readyz", "operations.metrics_text"})

_SECRET: Final = re.compile(r"(?<=/hooks/).+", re.IGNORECASE | re.DOTALL)
"""The rest of such a path may contain the token of a hook, also where no route matches."""

READY: Final = {
    "status": "ready",
    "checks": {
        "database": {"ms": 0.74, "status": "ok"},
        "redis": {"ms": 0.31, "status": "ok"},
        "queue": {"status": "ok", "waiting": 0, "oldest_seconds": 0.0},
    },
}
DRAINING: Final = {"status": "draining", "checks": {}}
METRICS: Final = 'signals_ingested_total{instrument="AAPL",side="buy"} 42.0\n'

_COLLECTORS: Final = "signalbox.collectors"
_STORAGE: Final = "signalbox.storage"

log = logs.get_logger(__name__)


class HealthSchema(Schema):
    status = fields.String(required=True, validate=validate.OneOf(["ok"]))


class CheckSchema(Schema):
    status = fields.String(required=True, validate=validate.OneOf(["ok", "failed", "unknown"]))
    ms = fields.Float(metadata={"description": "duration of the check"})
    waiting = fields.Integer(metadata={"description": "queue: number of events that no worker has claimed"})
    oldest_seconds = fields.Float(metadata={"description": "queue: age of the oldest of them"})


class ReadinessSchema(Schema):
    status = fields.String(required=True, validate=validate.OneOf(["ready", "degraded", "unavailable", "draining"]))
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(CheckSchema),
        required=True,
        metadata={"description": "database, redis and queue; empty while draining"},
    )


@blueprint.route("/healthz")
@blueprint.response(200, HealthSchema, example={"status": "ok"}, description="The process runs")
@blueprint.doc(security=[])
def healthz() -> Response:
    """Check that the process runs

    Does not check the database or Redis, so that an orchestrator does not restart the process because of them.
    """
    return json_response({"status": "ok"})


@blueprint.route("/readyz")
@blueprint.response(
    200,
    ReadinessSchema,
    example=READY,
    description="Signals can be received: `ready`, or `degraded` without Redis, which is slower",
)
@blueprint.alt_response(
    503,
    schema=ReadinessSchema,
    example=DRAINING,
    description="The database does not answer or cannot write: `unavailable`; or the server stops: `draining`",
)
@blueprint.doc(security=[])
def readyz() -> Response:
    """Check that the process can serve requests

    Checks the database and Redis, and reports the age of the oldest event that waits for a worker. Every 30 seconds the
    database must also write; every 3 seconds after a write has failed for lack of storage. 503 `draining` while the
    server stops: it finishes its requests, and a load balancer should send no new ones.
    """
    if draining.has_begun():
        return _not_cached(json_response({"status": "draining", "checks": {}}, 503))
    checks = {name: _timed(check) for name, check in (("database", _database), ("redis", _redis))}
    checks["queue"] = checks["database"].pop("queue", {"status": "unknown"})
    failed = {name for name, check in checks.items() if check["status"] == "failed"}
    status = "unavailable" if "database" in failed else "degraded" if failed else "ready"
    return _not_cached(json_response({"status": status, "checks": checks}, 503 if status == "unavailable" else 200))


@blueprint.route("/metrics")
@blueprint.response(
    200, {"type": "string"}, content_type="text/plain", example=METRICS, description="Prometheus text format"
)
def metrics_text() -> Response:
    """Read the metrics

    Metrics of all web processes of this server, and the current backlog of the database.
    """
    collectors: tuple[Collector, ...] = current_app.extensions[_COLLECTORS]
    return Response(metrics.exposition(*collectors), content_type=metrics.CONTENT_TYPE)


def register(app: Flask, resources: Resources, *collectors: Collector) -> None:
    """Measure and log each request. `/metrics` also shows what `collectors` collect at each scrape."""
    app.extensions[_COLLECTORS] = collectors
    app.extensions[_STORAGE] = StorageCheck(resources.database, resources.clock)
    app.before_request(_start_timer)
    app.after_request(_log_request)


def _start_timer() -> None:
    g.started = time.perf_counter()


def _log_request(response: Response) -> Response:
    seconds = time.perf_counter() - g.started
    rule = request_metrics.url_rule(request)
    request_metrics.record(request.method, rule, response.status_code, seconds)
    level = log.debug if request.endpoint in HEALTH_CHECKS else log.info
    level(
        "request",
        method=request.method,
        rule=rule,
        path=_SECRET.sub("...", request.path),
        status=response.status_code,
        ms=round(seconds * 1000, 2),
        bytes=response.content_length,
        caller=caller(),
    )
    response.headers[REQUEST_ID_HEADER] = request_id()
    return response


def _not_cached(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _timed(check: Callable[[Resources], dict[str, Any]]) -> dict[str, Any]:
    started = time.perf_counter()
    try:
        result = {"status": "ok"} | check(context.resources())
    except (RedisError, sqlalchemy.exc.SQLAlchemyError) as error:
        log.warning("check_failed", check=check.__name__.strip("_"), error=str(error))
        result = {"status": "failed"}
    return {"ms": round((time.perf_counter() - started) * 1000, 2)} | result


def _database(resources: Resources) -> dict[str, Any]:
    """Reads the backlog of events, which needs a connection and the tables. Sometimes tests a write."""
    with resources.database.reading() as session:
        backlog = events.backlog(session)
    storage: StorageCheck = current_app.extensions[_STORAGE]
    storage.require()
    age = (resources.clock() - backlog.oldest).total_seconds() if backlog.oldest is not None else 0.0
    return {"queue": {"status": "ok", "waiting": backlog.waiting, "oldest_seconds": round(max(age, 0.0), 3)}}


def _redis(resources: Resources) -> dict[str, Any]:
    resources.redis.ping()
    return {}
