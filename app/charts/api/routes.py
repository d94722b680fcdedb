"""/api/v1/charts: request a chart, wait for it, fetch its image; and the same for every signal's own chart."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from threading import Event
from typing import Final, cast
from uuid import UUID

from flask import Response, current_app, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from app.charts import service, stored_bars
from app.charts.api import examples
from app.charts.api.response_schemas import ChartSchema, describe
from app.charts.api.schemas import EXAMPLE, SpecSchema, load_spec
from app.charts.domain import ChartSpec
from app.charts.image_cache import CachedImage, ImageCache
from app.charts.models import Chart
from app.charts.policy import Policy
from app.charts.request import ChartLimits, SpecRequest
from app.charts.service import RequestResult
from app.charts.signal_charts import request_signal_chart
from app.resources import Resources
from app.shared.db import Database
from app.shared.errors import NotFound
from app.shared.notifications import Notifications
from app.shared.queue import CHARTS, RENDER
from app.signals import queries as signals
from app.web.context import EXTENSION as RESOURCES
from app.web.context import request_id, resources
from app.web.http.body import read_json
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint
from app.web.operations import thread_budget
from app.web.security.auth import caller

MIMETYPES: Final = {"png": "image/png", "webp": "image/webp", "svg": "image/svg+xml"}
PREFER_WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")
RETRY_AFTER: Final = {"Retry-After": "1"}

ID: Final = {
    "in": "path",
    "name": "chart_id",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "example": "5f0c2d4e6b899a51f0c27d3e8a0190b1",
}
FORMAT: Final = {
    "in": "path",
    "name": "extension",
    "required": True,
    "schema": {"type": "string", "enum": list(MIMETYPES)},
    "example": "png",
}

blueprint = Blueprint("charts", __name__, url_prefix="/api/v1", description="Charts, drawn by workers")

_EXTENSION: Final = "signalbox.charts"


class ChartIdConverter(BaseConverter):
    """A path segment in the form of a chart's id; anything else is 404 without a query."""

    regex = "[0-9a-f]{32}"


@dataclass(frozen=True)
class _ProcessState:
    """Objects that a web process keeps between requests."""

    notifications: Notifications
    images: ImageCache


blueprint.record_once(lambda state: state.app.url_map.converters.update(chart_id=ChartIdConverter))


@blueprint.record_once
def _prepare(state: BlueprintSetupState) -> None:
    app_resources = cast("Resources", state.app.extensions[RESOURCES])
    images = ImageCache(app_resources.settings.charts_local_ttl_seconds)
    state.app.extensions[_EXTENSION] = _ProcessState(Notifications(app_resources.redis), images)


@blueprint.route("/charts", methods=["POST"])
@blueprint.body(SpecSchema, example=EXAMPLE)
@blueprint.response(
    202,
    ChartSchema,
    example=examples.QUEUED,
    description="The chart will be drawn; poll the Location, or send Prefer: wait=5",
)
@blueprint.alt_response(200, schema=ChartSchema, example=examples.READY, description="The image exists")
@blueprint.alt_response(503, description="Too many charts wait to be drawn")
@blueprint.doc(
    summary="Request a chart",
    parameters=[
        {
            "in": "header",
            "name": "Prefer",
            "schema": {"type": "string"},
            "description": (
                "wait=5 delays the response until the chart is ready, for at most five seconds. "
                "A busy server does not wait: it responds 202 at once, without Preference-Applied"
            ),
        }
    ],
)
def post_chart() -> Response:
    settings, database = resources().settings, resources().database
    spec_request = load_spec(read_json(settings.charts_max_body_bytes, exact=False), ChartLimits.of(settings))
    spec = _complete(database, spec_request)
    now = resources().clock()
    with database.transaction() as session:
        result = service.request_chart(
            session, spec, Policy.of(settings), owner=caller(), now=now, request_id=request_id()
        )
    chart, waited = _wake_and_wait(result)
    _cache(chart)
    headers = {"Location": f"/api/v1/charts/{chart.id}"}
    if waited:
        headers["Preference-Applied"] = f"wait={waited}"
    if chart.status in service.WAITING:
        return json_response(describe(chart), 202, headers | RETRY_AFTER)
    return json_response(describe(chart), 200, headers)


@blueprint.route("/charts/<chart_id:chart_id>", methods=["GET"], parameters=[ID])
@blueprint.response(200, ChartSchema, example=examples.READY, description="The state of the chart")
@blueprint.alt_response(404, description="No such chart")
@blueprint.doc(summary="Poll a chart")
def get_chart(chart_id: str) -> Response:
    with resources().database.reading() as session:
        return json_response(describe(service.find(session, chart_id)))


@blueprint.route("/charts/<chart_id:chart_id>.<extension>", methods=["GET"], parameters=[ID, FORMAT])
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="image/png", description="The image")
@blueprint.alt_response(202, schema=ChartSchema, example=examples.QUEUED, description="Not drawn yet")
@blueprint.alt_response(304, description="The caller's copy of the image is current")
@blueprint.alt_response(404, description="No such chart")
@blueprint.alt_response(410, description="The image has expired; the same request draws it again")
@blueprint.alt_response(424, description="The chart could not be drawn; `detail` says why")
@blueprint.doc(summary="Fetch the image")
def get_image(chart_id: str, extension: str) -> Response:
    image = _process_state().images.get(chart_id, resources().clock())
    if image is not None and image.format == extension:
        return _cached_image_response(image)
    with resources().database.reading() as session:
        chart = service.find(session, chart_id)
    if chart.format != extension:
        raise NotFound(f"the format of this chart is {chart.format}")
    return _image_response(chart)


@blueprint.route("/signals/<uuid:signal_id>/chart", methods=["GET"])
@blueprint.response(200, ChartSchema, example=examples.READY, description="The state of the signal's own chart")
@blueprint.alt_response(404, description="No such signal, or no bars of its instrument")
@blueprint.doc(summary="Poll a signal's own chart")
def get_signal_chart(signal_id: UUID) -> Response:
    return json_response(describe(_signal_chart(signal_id)))


@blueprint.route("/signals/<uuid:signal_id>/chart.png", methods=["GET"])
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="image/png", description="The image")
@blueprint.alt_response(202, schema=ChartSchema, example=examples.QUEUED, description="Not drawn yet")
@blueprint.alt_response(304, description="The caller's copy of the image is current")
@blueprint.alt_response(404, description="No such signal, or no bars of its instrument")
@blueprint.doc(summary="Fetch a signal's own chart")
def get_signal_image(signal_id: UUID) -> Response:
    return _image_response(_signal_chart(signal_id))


def _complete(database: Database, spec_request: SpecRequest) -> ChartSpec:
    """The spec with its data, which is read from the stored bars if the request refers to them."""
    reference = spec_request.reference
    if reference is None:
        return spec_request.complete()
    with database.reading() as session:
        stored = stored_bars.read(
            session,
            reference.instrument,
            reference.timeframe,
            until_ms=reference.until_ms,
            visible=reference.bars,
            hidden=spec_request.hidden,
        )
    return spec_request.complete(stored)


def _process_state() -> _ProcessState:
    return cast("_ProcessState", current_app.extensions[_EXTENSION])


def _cache(chart: Chart) -> CachedImage | None:
    """The chart's image, cached for later requests; None while there is no image, and for a placeholder."""
    image = CachedImage.of(chart)
    if image is not None:
        _process_state().images.put(image)
    return image


def _wake_worker(chart: Chart) -> None:
    resources().queue.publish(RENDER, CHARTS, chart.id, task_id=chart.id)


def _wake_and_wait(result: RequestResult) -> tuple[Chart, int]:
    """Wakes a worker if the chart needs one. Returns the chart, and the seconds of `Prefer: wait` that were applied.

    Does not wait if as many threads wait already as the server allows.
    """
    preferred = PREFER_WAIT.search(request.headers.get("Prefer", ""))
    seconds = min(int(preferred[1]), int(resources().settings.charts_max_wait_seconds)) if preferred else 0
    if seconds and result.chart.status in service.WAITING:
        with thread_budget.slot() as granted:
            if granted:
                return _wait_for(result, seconds), seconds
        seconds = 0
    if result.wake:
        _wake_worker(result.chart)
    return result.chart, seconds


def _wait_for(result: RequestResult, seconds: int) -> Chart:
    with _process_state().notifications.subscribe(result.chart.id) as notification:
        if result.wake:
            _wake_worker(result.chart)
        else:
            # The chart may have been finished after its row was read and before the subscription: read the row again.
            notification.set()
        return _poll(result.chart, notification, seconds)


def _poll(chart: Chart, notification: Event, seconds: int) -> Chart:
    """The chart once it is drawn or has failed, or in its state after `seconds`."""
    deadline = time.monotonic() + seconds
    while chart.status in service.WAITING and (remaining := deadline - time.monotonic()) > 0:
        notification.wait(min(remaining, _process_state().notifications.poll_interval_seconds))
        notification.clear()
        with resources().database.reading() as session:
            chart = service.find(session, chart.id)
    return chart


def _signal_chart(signal_id: UUID) -> Chart:
    """The signal's own chart. Requests it now if the bars were stored after the signal."""
    settings, database, now = resources().settings, resources().database, resources().clock()
    with database.reading() as session:
        signal = signals.get(session, signal_id)
        chart = service.find_by_signal(session, signal_id)
    if chart is not None:
        return chart
    with database.transaction() as session:
        result = request_signal_chart(session, signal, settings, now=now, request_id=request_id())
    if result is None:
        raise NotFound(f"no bars of {signal.instrument} are stored")
    if result.wake:
        _wake_worker(result.chart)
    return result.chart


def _image_response(chart: Chart) -> Response:
    path = service.image_path(chart)
    if path is None:
        return _accepted_response(chart)
    image = _cache(chart)
    if image is not None:
        return _cached_image_response(image)
    # A placeholder is not cached: it must not outlive the failure that it stands for.
    data = resources().store.read(path)
    if data is None:
        return _accepted_response(_redraw(chart.id))
    response = Response(data, mimetype=MIMETYPES[chart.format])
    response.headers["Cache-Control"] = "no-store"
    return response


def _cached_image_response(image: CachedImage) -> Response:
    # Weak comparison (RFC 9110, section 13.1.2): a proxy that compresses makes the tag weak.
    if request.if_none_match.contains_weak(image.etag):
        response = Response(status=304)
    else:
        data = resources().cache.get(image.path, image.type)
        if data is None:
            _process_state().images.remove(image.chart_id)
            return _accepted_response(_redraw(image.chart_id))
        response = Response(data, mimetype=MIMETYPES[image.format])
        response.headers["Content-Disposition"] = f'inline; filename="{image.chart_id}.{image.format}"'
    max_age = max(0, int((image.expires_at - resources().clock()).total_seconds()))
    response.headers["Cache-Control"] = f"private, max-age={max_age}, immutable"
    response.set_etag(image.etag)
    return response


def _accepted_response(chart: Chart) -> Response:
    return json_response(describe(chart), 202, {"Location": f"/api/v1/charts/{chart.id}"} | RETRY_AFTER)


def _redraw(chart_id: str) -> Chart:
    """Queues a chart again whose file is missing. Raises Gone if the file was removed because the chart expired."""
    settings, database, now = resources().settings, resources().database, resources().clock()
    with database.transaction() as session:
        service.redraw(session, chart_id, Policy.of(settings), now=now, request_id=request_id())
        chart = service.find(session, chart_id)
    service.image_path(chart)
    _wake_worker(chart)
    return chart
