"""What operators and their machines ask: is it up, can it work, and how is it doing; and one log line per request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy.exc
from flask import Flask, Request, Response, current_app, g, request
from marshmallow import Schema, fields, validate
from prometheus_client.registry import Collector
from redis import RedisError

from app.events import service as events
from app.resources import Resources
from app.shared import logs, metrics
from app.shared.storage_check import StorageCheck
from app.web.context import REQUEST_ID_HEADER, request_id, resources
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint
from app.web.operations import draining
from app.web.operations.request_metrics import Exporter
from app.web.security.auth import caller

blueprint = Blueprint("operations", __name__, description="For those who run the service")

HEALTH_CHECKS: Final = frozenset({"operations.healthz", "operations.readyz", "operations.metrics_text"})

_SECRET: Final = re.compile(r"(?<=/hooks/).+", re.IGNORECASE | re.DOTALL)
"""What follows in a path is a hook's key, whether the rest of the path is right or not."""

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
    ms = fields.Float(metadata={"description": "how long the check took"})
    waiting = fields.Integer(metadata={"description": "queue: events that no worker has taken yet"})
    oldest_seconds = fields.Float(metadata={"description": "queue: how long the oldest of them has waited"})


class ReadinessSchema(Schema):
    status = fields.String(required=True, validate=validate.OneOf(["ready", "degraded", "unavailable", "draining"]))
    checks = fields.Dict(
        keys=fields.String(),
        values=fields.Nested(CheckSchema),
        required=True,
        metadata={"description": "database, redis and queue; empty while draining"},
    )


@blueprint.route("/healthz")
@blueprint.response(200, HealthSchema, example={"status": "ok"}, description="The process is up")
@blueprint.doc(security=[])
def healthz() -> Response:
    """Is it up

    Says nothing of what the process works with, so that a lost database restarts nobody.
    """
    return json_response({"status": "ok"})


@blueprint.route("/readyz")
@blueprint.response(
    200,
    ReadinessSchema,
    example=READY,
    description="Signals can be taken: `ready`, or `degraded` without Redis, which is slower",
)
@blueprint.alt_response(
    503,
    schema=ReadinessSchema,
    example=DRAINING,
    description="The database is away or cannot store: `unavailable`; or the server stops: `draining`",
)
@blueprint.doc(security=[])
def readyz() -> Response:
    """Can it work

    503 `draining` once the server was told to stop: what it holds is finished, and nothing new should come. Otherwise
    asks the database and Redis, and tells how long the oldest event has waited for a worker. The database is also asked
    to write: every 30 seconds, and every 3 seconds after a write of any kind has failed for want of storage.
    """
    if draining.has_begun():
        return _not_cached(json_response({"status": "draining", "checks": {}}, 503))
    checks = {name: _timed(check, resources()) for name, check in (("database", _database), ("redis", _redis))}
    checks["queue"] = checks["database"].pop("queue", {"status": "unknown"})
    failed = {name for name, told in checks.items() if told["status"] == "failed"}
    status = "unavailable" if "database" in failed else "degraded" if failed else "ready"
    return _not_cached(json_response({"status": status, "checks": checks}, 503 if status == "unavailable" else 200))


@blueprint.route("/metrics")
@blueprint.response(
    200, {"type": "string"}, content_type="text/plain", example=METRICS, description="In Prometheus' text format"
)
def metrics_text() -> Response:
    """How is it doing

    The metrics of all web processes of this server, and the backlog as the database has it now.
    """
    collectors: tuple[Collector, ...] = current_app.extensions[_COLLECTORS]
    return Response(metrics.exposition(*collectors), content_type=metrics.CONTENT_TYPE)


def measure(app: Flask, parts: Resources, *collectors: Collector) -> None:
    """Count and time requests by the rule they matched, and log each. `/metrics` asks `collectors` at each scrape."""
    app.extensions[_COLLECTORS] = collectors
    app.extensions[_STORAGE] = StorageCheck(parts.database, parts.clock)
    exporter = Exporter(app, path=None)

    def end(answer: Response) -> Response:
        # The request itself: each look at Flask's stand-in for it searches for it anew.
        asked: Request = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
        seconds = time.perf_counter() - g.began
        rule = asked.url_rule.rule if asked.url_rule is not None else "unmatched"
        answer.headers[REQUEST_ID_HEADER] = request_id()
        exporter.count(asked.method, rule, answer.status_code, seconds)
        _log(asked, rule, answer, seconds)
        return answer

    app.before_request(_begin)
    app.after_request(end)


def _begin() -> None:
    g.began = time.perf_counter()


def _log(asked: Request, rule: str, answer: Response, seconds: float) -> None:
    level = log.debug if asked.endpoint in HEALTH_CHECKS else log.info
    level(
        "request",
        method=asked.method,
        rule=rule,
        path=_SECRET.sub("...", asked.path),
        status=answer.status_code,
        ms=round(seconds * 1000, 2),
        bytes=answer.content_length,
        caller=caller(),
    )


def _not_cached(answer: Response) -> Response:
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _timed(check: Callable[[Resources], dict[str, Any]], parts: Resources) -> dict[str, Any]:
    began = time.perf_counter()
    try:
        told = {"status": "ok"} | check(parts)
    except (RedisError, sqlalchemy.exc.SQLAlchemyError) as error:
        log.warning("check_failed", check=check.__name__.strip("_"), error=str(error))
        told = {"status": "failed"}
    return {"ms": round((time.perf_counter() - began) * 1000, 2)} | told


def _database(parts: Resources) -> dict[str, Any]:
    """Reads the backlog of events, which needs a connection and the tables, and has a write tried now and then."""
    with parts.database.reading() as session:
        backlog = events.backlog(session)
    storage: StorageCheck = current_app.extensions[_STORAGE]
    storage.require()
    age = (parts.clock() - backlog.oldest).total_seconds() if backlog.oldest is not None else 0.0
    return {"queue": {"status": "ok", "waiting": backlog.waiting, "oldest_seconds": round(max(age, 0.0), 3)}}


def _redis(parts: Resources) -> dict[str, Any]:
    parts.redis.ping()
    return {}
