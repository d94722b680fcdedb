"""/api/v1/bars: store and read price bars."""

from __future__ import annotations

from typing import Any, Final

from flask import Response
from werkzeug.routing import PathConverter

from app.market import examples, service
from app.market.domain import Bars
from app.market.schemas import (
    BarsQuery,
    Columns,
    StoredColumns,
    UpsertedSchema,
    bars_view,
    parse_columns,
    parse_csv,
    parse_series,
)
from app.shared import exact_json
from app.shared.errors import NotFound
from app.shared.instruments import INSTRUMENT_PATTERN, INSTRUMENT_RULE, TIMEFRAME_SECONDS
from app.web.context import resources
from app.web.http.body import read_body, require_media_type
from app.web.http.responses import json_response
from app.web.openapi.blueprint import Blueprint

CSV: Final = "text/csv"
SERIES: Final = "/<instrument:instrument>/<timeframe>"
PATH_PARAMETERS: Final = [
    {
        "in": "path",
        "name": "instrument",
        "required": True,
        "description": f"{INSTRUMENT_RULE}; upper-cased",
        "schema": {"type": "string", "pattern": f"^{INSTRUMENT_PATTERN}$"},
        "example": "EURUSD",
    },
    {
        "in": "path",
        "name": "timeframe",
        "required": True,
        "schema": {"type": "string", "enum": list(TIMEFRAME_SECONDS)},
        "example": "1h",
    },
]
TABLE: Final = {
    "schema": {"type": "string"},
    "example": "time,open,high,low,close,volume\n2026-11-23,1.0712,1.0745,1.0698,1.0731,18250\n",
}

blueprint = Blueprint("bars", __name__, url_prefix="/api/v1/bars", description="Price bars by instrument and timeframe")


class InstrumentConverter(PathConverter):
    """A path segment that may contain slashes and, unlike a PathConverter's, begin with one."""

    regex = ".+?"
    part_isolating = False


blueprint.record_once(lambda state: state.app.url_map.converters.update(instrument=InstrumentConverter))


@blueprint.route(SERIES, methods=["PUT"], merge_slashes=False, parameters=PATH_PARAMETERS)
@blueprint.body(Columns, example=examples.COLUMNS)
@blueprint.response(
    200, UpsertedSchema, example=examples.UPSERTED, description="The numbers of new and of replaced bars"
)
@blueprint.doc(
    summary="Store bars; a bar replaces the stored one of the same time",
    requestBody={"content": {CSV: TABLE}},
)
def put_bars(instrument: str, timeframe: str) -> Response:
    instrument, timeframe = parse_series(instrument, timeframe)
    bars = _read_bars()
    with resources().database.transaction() as session:
        stored = service.upsert(session, instrument, timeframe, bars)
    return json_response(stored._asdict())


@blueprint.route(SERIES, methods=["GET"], merge_slashes=False, parameters=PATH_PARAMETERS)
@blueprint.arguments(BarsQuery, location="query")
@blueprint.response(
    200, StoredColumns, example=examples.STORED, description="The last bars up to `until`, oldest first"
)
@blueprint.alt_response(404, description="No bars are stored")
@blueprint.doc(summary="Read bars")
def get_bars(query: dict[str, Any], instrument: str, timeframe: str) -> Response:
    instrument, timeframe = parse_series(instrument, timeframe)
    until = query.get("until")
    with resources().database.reading() as session:
        bars = service.read(session, instrument, timeframe, until_ms=until, limit=query["limit"])
    if not bars.time:
        raise NotFound(f"no {timeframe} bars of {instrument}" + (" up to that time" if until is not None else ""))
    return json_response(bars_view(instrument, timeframe, bars))


def _read_bars() -> Bars:
    media_type = require_media_type("application/json", CSV)
    body = read_body(resources().settings.bars_max_bytes)
    return parse_csv(body) if media_type == CSV else parse_columns(exact_json.loads(body, exact=False))
