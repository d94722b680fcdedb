"""/api/v1/charts: pictures asked for, waited for and fetched; and every signal's own chart."""

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
from app.shared.errors import NotFound
from app.shared.notifications import Notifications
from app.shared.queue import CHARTS, RENDER
from app.signals import queries as signals
from app.web.context import EXTENSION as RESOURCES
from app.web.context import request_id, resources
from app.web.http.body import read_json
from app.web.http.responses import json_answer
from app.web.openapi.blueprint import Blueprint
from app.web.operations import thread_budget
from app.web.security.auth import caller
from config import Settings

MIMETYPES: Final = {"png": "image/png", "webp": "image/webp", "svg": "image/svg+xml"}
WAIT: Final = re.compile(r"(?:^|[,;\s])wait=(\d{1,4})(?:$|[,;\s])")
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

_MEMORY: Final = "signalbox.charts"


class ChartIdConverter(BaseConverter):
    """A part of the path that has the form of a chart's id; the database is asked for nothing else."""

    regex = "[0-9a-f]{32}"


@dataclass(frozen=True)
class _Memory:
    """What the web process keeps between requests for charts."""

    notifications: Notifications
    images: ImageCache


blueprint.record_once(lambda state: state.app.url_map.converters.update(chart_id=ChartIdConverter))


@blueprint.record_once  # type: ignore[untyped-decorator]
def _prepare(state: BlueprintSetupState) -> None:
    held = cast("Resources", state.app.extensions[RESOURCES])
    images = ImageCache(held.settings.charts_local_ttl_seconds)
    state.app.extensions[_MEMORY] = _Memory(Notifications(held.redis), images)


@blueprint.route("/charts", methods=["POST"])
@blueprint.body(SpecSchema, example=EXAMPLE)
@blueprint.response(
    202, ChartSchema, example=examples.QUEUED, description="To be drawn; poll the Location, or send Prefer: wait=5"
)
@blueprint.alt_response(200, schema=ChartSchema, example=examples.READY, description="The image exists")
@blueprint.alt_response(503, description="Too many charts wait already")
@blueprint.doc(
    summary="Ask for a chart",
    parameters=[
        {
            "in": "header",
            "name": "Prefer",
            "schema": {"type": "string"},
            "description": (
                "wait=5 holds the answer until the chart is ready, for five seconds at most, "
                "unless the server is busy: then 202 comes at once, without Preference-Applied"
            ),
        }
    ],
)
def post_chart() -> Response:
    held = resources()
    wanted = load_spec(read_json(held.settings.charts_max_body_bytes, exact=False), _limits(held.settings))
    spec = _complete(held, wanted)
    with held.database.transaction() as session:
        requested = service.request_chart(
            session, spec, Policy.of(held.settings), owner=caller(), now=held.clock(), request_id=request_id()
        )
    chart, waited = _woken(held, requested)
    _remember(chart)
    headers = {"Location": f"/api/v1/charts/{chart.id}"}
    if waited:
        headers["Preference-Applied"] = f"wait={waited}"
    if chart.status in service.WAITING:
        return json_answer(describe(chart), 202, headers | RETRY_AFTER)
    return json_answer(describe(chart), 200, headers)


@blueprint.route("/charts/<chart_id:chart_id>", methods=["GET"], parameters=[ID])
@blueprint.response(200, ChartSchema, example=examples.READY, description="How far the chart has got")
@blueprint.alt_response(404, description="No such chart")
@blueprint.doc(summary="Poll a chart")
def get_chart(chart_id: str) -> Response:
    with resources().database.reading() as session:
        return json_answer(describe(service.find(session, chart_id)))


@blueprint.route("/charts/<chart_id:chart_id>.<extension>", methods=["GET"], parameters=[ID, FORMAT])
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="image/png", description="The image")
@blueprint.alt_response(202, schema=ChartSchema, example=examples.QUEUED, description="Not drawn yet")
@blueprint.alt_response(304, description="The image the caller has is the current one")
@blueprint.alt_response(404, description="No such chart")
@blueprint.alt_response(410, description="Removed after its time; the same request draws it again")
@blueprint.alt_response(424, description="The chart could not be drawn, and why")
@blueprint.doc(summary="Fetch the image")
def get_image(chart_id: str, extension: str) -> Response:
    held = resources()
    picture = _memory().images.get(chart_id, held.clock())
    if picture is not None and picture.format == extension:
        return _picture(held, picture)
    with held.database.reading() as session:
        chart = service.find(session, chart_id)
    if chart.format != extension:
        raise NotFound(f"this chart is drawn as {chart.format}")
    return _image(held, chart)


@blueprint.route("/signals/<uuid:signal_id>/chart", methods=["GET"])
@blueprint.response(200, ChartSchema, example=examples.READY, description="How far the signal's own chart has got")
@blueprint.alt_response(404, description="No such signal, or no bars of its instrument")
@blueprint.doc(summary="Poll a signal's own chart")
def get_signal_chart(signal_id: UUID) -> Response:
    return json_answer(describe(_chart_of(signal_id)))


@blueprint.route("/signals/<uuid:signal_id>/chart.png", methods=["GET"])
@blueprint.response(200, {"type": "string", "format": "binary"}, content_type="image/png", description="The image")
@blueprint.alt_response(202, schema=ChartSchema, example=examples.QUEUED, description="Not drawn yet")
@blueprint.alt_response(304, description="The image the caller has is the current one")
@blueprint.alt_response(404, description="No such signal, or no bars of its instrument")
@blueprint.doc(summary="Fetch a signal's own chart")
def get_signal_image(signal_id: UUID) -> Response:
    return _image(resources(), _chart_of(signal_id))


def _limits(settings: Settings) -> ChartLimits:
    return ChartLimits(
        max_side=settings.charts_max_side,
        max_pixels=settings.charts_max_pixels,
        max_bars=settings.charts_max_bars,
        max_overlays=settings.charts_max_overlays,
        max_panels=settings.charts_max_panels,
        max_annotations=settings.charts_max_annotations,
        max_milliseconds=settings.charts_max_milliseconds,
    )


def _complete(held: Resources, wanted: SpecRequest) -> ChartSpec:
    """The spec with its data, read from the stored bars where it names some."""
    reference = wanted.reference
    if reference is None:
        return wanted.complete()
    with held.database.reading() as session:
        stored = stored_bars.read(
            session,
            reference.instrument,
            reference.timeframe,
            until_ms=reference.until_ms,
            visible=reference.bars,
            hidden=wanted.hidden,
        )
    return wanted.complete(stored)


def _memory() -> _Memory:
    return cast("_Memory", current_app.extensions[_MEMORY])


def _remember(chart: Chart) -> CachedImage | None:
    """What is served of the chart, kept for the next who asks; None while there is no image, and for a placeholder."""
    picture = CachedImage.of(chart)
    if picture is not None:
        _memory().images.put(picture)
    return picture


def _wake(held: Resources, chart: Chart) -> None:
    held.queue.publish(RENDER, CHARTS, chart.id, task_id=chart.id)


def _woken(held: Resources, requested: RequestResult) -> tuple[Chart, int]:
    """The chart after its wake-up, if it needs one, and the seconds of the caller's `Prefer: wait` that were applied.

    Does not wait where the budget of threads for that is spent.
    """
    preferred = WAIT.search(request.headers.get("Prefer", ""))
    seconds = min(int(preferred[1]), int(held.settings.charts_max_wait_seconds)) if preferred else 0
    if seconds and requested.chart.status in service.WAITING:
        with thread_budget.slot() as granted:
            if granted:
                return _wait_for(held, requested, seconds), seconds
        seconds = 0
    if requested.wake:
        _wake(held, requested.chart)
    return requested.chart, seconds


def _wait_for(held: Resources, requested: RequestResult, seconds: int) -> Chart:
    with _memory().notifications.subscribe(requested.chart.id) as arrival:
        if requested.wake:
            _wake(held, requested.chart)
        else:
            # It may have come between the reading of its row and our listening.
            arrival.set()
        return _wait(held, requested.chart, arrival, seconds)


def _wait(held: Resources, chart: Chart, arrival: Event, seconds: int) -> Chart:
    """The chart once it is drawn or failed, or as it is when the time is over."""
    deadline = time.monotonic() + seconds
    while chart.status in service.WAITING and (left := deadline - time.monotonic()) > 0:
        arrival.wait(min(left, _memory().notifications.poll_interval_seconds))
        arrival.clear()
        with held.database.reading() as session:
            chart = service.find(session, chart.id)
    return chart


def _chart_of(signal_id: UUID) -> Chart:
    """The signal's own chart; asked for now when its bars came after the signal did."""
    held = resources()
    with held.database.reading() as session:
        signal = signals.get(session, signal_id)
        chart = service.find_by_signal(session, signal_id)
    if chart is not None:
        return chart
    with held.database.transaction() as session:
        requested = request_signal_chart(session, signal, held.settings, now=held.clock(), request_id=request_id())
    if requested is None:
        raise NotFound(f"no bars of {signal.instrument} are stored")
    if requested.wake:
        _wake(held, requested.chart)
    return requested.chart


def _image(held: Resources, chart: Chart) -> Response:
    path = service.image_path(chart)
    if path is None:
        return _not_yet(chart)
    picture = _remember(chart)
    if picture is not None:
        return _picture(held, picture)
    # A placeholder is kept out of the caches: nothing of it should outlive the fault that it stands for.
    data = held.store.read(path)
    if data is None:
        return _not_yet(_redraw(held, chart.id))
    response = Response(data, mimetype=MIMETYPES[chart.format])
    response.headers["Cache-Control"] = "no-store"
    return response


def _picture(held: Resources, picture: CachedImage) -> Response:
    # Weak comparison (RFC 9110, section 13.1.2): a proxy that compresses makes the tag weak.
    if request.if_none_match.contains_weak(picture.etag):
        response = Response(status=304)
    else:
        data = held.cache.get(picture.path, picture.type)
        if data is None:
            _memory().images.remove(picture.chart_id)
            return _not_yet(_redraw(held, picture.chart_id))
        response = Response(data, mimetype=MIMETYPES[picture.format])
        response.headers["Content-Disposition"] = f'inline; filename="{picture.chart_id}.{picture.format}"'
    left = max(0, int((picture.expires_at - held.clock()).total_seconds()))
    response.headers["Cache-Control"] = f"private, max-age={left}, immutable"
    response.set_etag(picture.etag)
    return response


def _not_yet(chart: Chart) -> Response:
    return json_answer(describe(chart), 202, {"Location": f"/api/v1/charts/{chart.id}"} | RETRY_AFTER)


def _redraw(held: Resources, chart_id: str) -> Chart:
    """The chart, queued once more because its file is gone. Raises Gone when that is because its time is over."""
    with held.database.transaction() as session:
        service.redraw(session, chart_id, Policy.of(held.settings), now=held.clock(), request_id=request_id())
        again = service.find(session, chart_id)
    service.image_path(again)
    _wake(held, again)
    return again
