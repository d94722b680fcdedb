"""A chart request's JSON, checked against every rule and limit and made into a SpecRequest.

Plain marshmallow: the API, the worker and the command line read specs by the same rules. `document_variant` lets
apispec describe the fields that have a choice of schemas.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, get_args

from marshmallow import Schema, ValidationError, fields, post_load
from marshmallow.validate import Length, OneOf, Range

from app.charts.api.fields import (
    Color,
    Text,
    TimeZone,
    Variant,
    Whole,
)
from app.charts.api.spec_parts import (
    AtrPanelSchema,
    BarsReferenceSchema,
    BarsSchema,
    BollingerSchema,
    BrickSchema,
    DrawdownPanelSchema,
    EquityCurveSchema,
    HLineSchema,
    MacdPanelSchema,
    MovingAverageSchema,
    OrderMarkSchema,
    RsiPanelSchema,
    SampleSchema,
    SignalMarkSchema,
    VLineSchema,
    VolumePanelSchema,
    VolumeProfileSchema,
    VwapSchema,
    ZoneSchema,
)
from app.charts.domain import PRICE_TYPES, ChartType, ImageFormat
from app.charts.request import (
    COLOR_KEYS,
    MAX_RIGHT_OFFSET,
    MAX_SCALE,
    MAX_TEXT_LENGTH,
    MIN_SIDE,
    ChartLimits,
    SpecRequest,
    length_errors,
    option_errors,
)
from app.shared.errors import FieldError, ValidationFailed
from app.web.http.fields import Instrument

DEFAULT_LIMITS: Final = ChartLimits()
MOST_BINS: Final = 500
MAX_PRECISION: Final = 10
MOST_ERRORS: Final = 100
LONGEST_TIMEFRAME: Final = 16

OVERLAYS: Final[dict[str, type[Schema]]] = {
    "sma": MovingAverageSchema,
    "ema": MovingAverageSchema,
    "wma": MovingAverageSchema,
    "bollinger": BollingerSchema,
    "vwap": VwapSchema,
    "volume_profile": VolumeProfileSchema,
}
PANELS: Final[dict[str, type[Schema]]] = {
    "volume": VolumePanelSchema,
    "rsi": RsiPanelSchema,
    "macd": MacdPanelSchema,
    "atr": AtrPanelSchema,
    "drawdown": DrawdownPanelSchema,
}
ANNOTATIONS: Final[dict[str, type[Schema]]] = {
    "signal": SignalMarkSchema,
    "order": OrderMarkSchema,
    "hline": HLineSchema,
    "vline": VLineSchema,
    "zone": ZoneSchema,
}
DATA: Final[dict[str, type[Schema]]] = {
    "bars": BarsSchema,
    "reference": BarsReferenceSchema,
    "equity": EquityCurveSchema,
    "histogram": SampleSchema,
}
EXAMPLE: Final[dict[str, Any]] = {
    "type": "candlestick",
    "title": "AAPL",
    "width": 1200,
    "height": 675,
    "theme": "dark",
    "timezone": "America/New_York",
    "data": {"instrument": "AAPL", "timeframe": "1d", "bars": 200},
    "overlays": [{"kind": "sma", "period": 20}, {"kind": "bollinger", "period": 20, "multiplier": 2}],
    "panels": [{"kind": "volume"}, {"kind": "rsi", "period": 14}],
    "annotations": [{"kind": "signal", "side": "buy", "time": "2024-05-01T00:00:00Z", "label": "breakout"}],
    "colors": {"up": "#26a69a", "down": "#ef5350"},
}


def _chosen_kind(kinds: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValidationError({"kind": [f"Must be one of: {', '.join(kinds)}."]})
    return kind


def _chosen_data(value: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    kind = spec.get("type")
    if isinstance(kind, str) and kind in DATA:
        return kind
    if kind not in PRICE_TYPES:
        raise ValidationError([])  # the error of `type` says all there is to say
    return "reference" if "instrument" in value or "timeframe" in value else "bars"


def _parts(kinds: Mapping[str, type[Schema]], most: int) -> fields.List[Any]:
    variant = Variant(kinds, choose=lambda value, _: _chosen_kind(kinds, value), discriminator="kind")
    return fields.List(variant, load_default=tuple, metadata={"maxItems": most})


class SpecSchema(Schema):
    """A chart: its type, its data and how it looks. Width and height are CSS pixels; `scale` multiplies them."""

    type = fields.String(required=True, validate=OneOf(get_args(ChartType)))
    data = Variant(DATA, choose=_chosen_data, required=True)
    title = Text(load_default="", validate=Length(max=MAX_TEXT_LENGTH))
    instrument = Instrument()
    timeframe = Text(validate=Length(max=LONGEST_TIMEFRAME))
    width = Whole(load_default=1200, validate=Range(MIN_SIDE), metadata={"maximum": DEFAULT_LIMITS.max_side})
    height = Whole(load_default=675, validate=Range(MIN_SIDE), metadata={"maximum": DEFAULT_LIMITS.max_side})
    scale = Whole(load_default=1, validate=Range(1, MAX_SCALE))
    format = fields.String(load_default="png", validate=OneOf(get_args(ImageFormat)))
    theme = fields.String(load_default="light", validate=OneOf(("light", "dark", "colorblind")))
    timezone = TimeZone(load_default="UTC")
    y_scale = fields.String(load_default="linear", validate=OneOf(("linear", "log")))
    overlays = _parts(OVERLAYS, DEFAULT_LIMITS.max_overlays)
    panels = _parts(PANELS, DEFAULT_LIMITS.max_panels)
    annotations = _parts(ANNOTATIONS, DEFAULT_LIMITS.max_annotations)
    colors = fields.Dict(load_default=dict, keys=fields.String(validate=OneOf(COLOR_KEYS)), values=Color())
    brick = fields.Nested(BrickSchema)
    visible = Whole(
        allow_none=True,
        validate=Range(1),
        metadata={
            "description": "How many bars are shown, from the last one back; indicators know those before them too"
        },
    )
    bins = Whole(allow_none=True, validate=Range(1, MOST_BINS), metadata={"description": "Default: by the data"})
    right_offset = Whole(
        allow_none=True,
        validate=Range(0, MAX_RIGHT_OFFSET),
        metadata={"description": "Bars' widths kept free after the last bar. Default: 4, or 4 % of the plot"},
    )
    precision = Whole(
        allow_none=True,
        validate=Range(0, MAX_PRECISION),
        metadata={"description": "Decimals of prices and values. Default: by the data"},
    )

    @post_load
    def freeze(self, options: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Lists as the tuples a ChartSpec holds."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


_SPEC: Final = SpecSchema()


def load_spec(raw: Any, limits: ChartLimits = DEFAULT_LIMITS) -> SpecRequest:
    """The request a JSON object makes. Raises ValidationFailed with a pointer to every wrong value.

    The object is as any JSON reader gives it; numbers may be int, float or Decimal.
    """
    if not isinstance(raw, Mapping):
        raise ValidationFailed([FieldError("", "Not an object.")])
    _refuse(length_errors(raw, limits))
    try:
        options = _SPEC.load(raw)
    except ValidationError as error:
        raise ValidationFailed([*islice(pointed(error.messages), MOST_ERRORS)]) from error
    request = SpecRequest(data=options.pop("data"), options=options)
    _refuse(option_errors(request, limits))
    if request.reference is None:
        request.complete()
    return request


def pointed(messages: Any, pointer: str = "") -> Iterator[FieldError]:
    """marshmallow's nested messages as a flat list, each with its JSON pointer (RFC 6901)."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            # What marshmallow puts around a message that is about the object itself, or about one side of a dict.
            wrapped = key == "_schema" or (key in {"key", "value"} and pointer.startswith("/colors/"))
            step = str(key).replace("~", "~0").replace("/", "~1")
            yield from pointed(inner, pointer if wrapped else f"{pointer}/{step}")
    else:
        for message in messages if isinstance(messages, list) else [messages]:
            yield FieldError(pointer, str(message))


def document_variant(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """For apispec's `converter.add_attribute_function`: a Variant is described as one of its schemas."""
    if not isinstance(field, Variant):
        return {}
    references = {key: converter.resolve_nested_schema(schema) for key, schema in field.variants.items()}
    distinct = {reference["$ref"]: reference for reference in references.values()}
    document: dict[str, Any] = {"oneOf": [*distinct.values()]}
    if field.discriminator is not None:
        mapping = {key: reference["$ref"] for key, reference in references.items()}
        document["discriminator"] = {"propertyName": field.discriminator, "mapping": mapping}
    return document


def _refuse(misfits: Iterable[FieldError]) -> None:
    if errors := [*misfits]:
        raise ValidationFailed(errors)
