"""Chart specs as JSON: the schema of a spec, and `load_spec`, which checks it against all rules and limits.

The API and the command line share it. `document_variant` describes fields with several schemas to apispec.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from marshmallow import Schema, ValidationError, fields, post_load
from marshmallow.validate import Length, OneOf, Range

from app.charts.api.fields import Color, PrintableText, TimeZone, Variant, Whole
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
from app.charts.limits import (
    MAX_BINS,
    MAX_PRECISION,
    MAX_RIGHT_OFFSET,
    MAX_SCALE,
    MAX_TEXT_LENGTH,
    MAX_TIMEFRAME_LENGTH,
    MIN_SIDE,
)
from app.charts.request import COLOR_KEYS, ChartLimits, SpecRequest, length_errors, option_errors
from app.shared.errors import FieldError, ValidationFailed
from app.shared.field_errors import field_errors
from app.web.http.fields import Instrument

DEFAULT_LIMITS: Final = ChartLimits()
MAX_ERRORS: Final = 100
DICT_FIELDS: Final = frozenset({"/colors"})

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


def _choose_by_kind(kinds: Mapping[str, Any], value: Mapping[str, Any]) -> str:
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValidationError({"kind": [f"Must be one of: {', '.join(kinds)}."]})
    return kind


def _choose_data(value: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    kind = spec.get("type")
    if isinstance(kind, str) and kind in DATA:
        return kind
    if kind not in PRICE_TYPES:
        raise ValidationError([])  # the error at `type` is enough
    return "reference" if "instrument" in value or "timeframe" in value else "bars"


def _parts(kinds: Mapping[str, type[Schema]], limit: int) -> fields.List[Any]:
    variant = Variant(kinds, choose=lambda value, _: _choose_by_kind(kinds, value), discriminator="kind")
    return fields.List(variant, load_default=tuple, metadata={"maxItems": limit})


class SpecSchema(Schema):
    """A chart: its type, data and appearance. Width and height are in CSS pixels, which `scale` multiplies."""

    type = fields.String(required=True, validate=OneOf(get_args(ChartType)))
    data = Variant(DATA, choose=_choose_data, required=True)
    title = PrintableText(load_default="", validate=Length(max=MAX_TEXT_LENGTH))
    instrument = Instrument()
    timeframe = PrintableText(validate=Length(max=MAX_TIMEFRAME_LENGTH))
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
            "description": "Number of bars to show, the last ones; indicators are calculated from those before them too"
        },
    )
    bins = Whole(
        allow_none=True,
        validate=Range(1, MAX_BINS),
        metadata={"description": "Number of bins. Default: depends on the data"},
    )
    right_offset = Whole(
        allow_none=True,
        validate=Range(0, MAX_RIGHT_OFFSET),
        metadata={"description": "Free space after the last bar, in widths of a bar. Default: 4, or 4 % of the plot"},
    )
    precision = Whole(
        allow_none=True,
        validate=Range(0, MAX_PRECISION),
        metadata={"description": "Decimals of prices and values. Default: depends on the data"},
    )

    @post_load
    def freeze(self, options: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Lists as tuples, as ChartSpec has them."""
        return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}


_SPEC: Final = SpecSchema()


def load_spec(raw: Any, limits: ChartLimits = DEFAULT_LIMITS) -> SpecRequest:
    """The request in a parsed JSON document. Raises ValidationFailed with a pointer to every invalid value.

    Numbers may be int, float or Decimal.
    """
    if not isinstance(raw, Mapping):
        raise ValidationFailed([FieldError("", "Must be an object.")])
    _raise_if_any(length_errors(raw, limits))
    try:
        options = _SPEC.load(raw)
    except ValidationError as error:
        errors = field_errors(error.messages, dict_fields=DICT_FIELDS)
        raise ValidationFailed(errors[:MAX_ERRORS]) from error
    request = SpecRequest(data=options.pop("data"), options=options)
    _raise_if_any(option_errors(request, limits))
    if request.reference is None:
        request.complete()
    return request


def document_variant(converter: Any, field: Any, **_: Any) -> dict[str, Any]:
    """The JSON schema of a Variant field, for apispec's `converter.add_attribute_function`."""
    if not isinstance(field, Variant):
        return {}
    references = {key: converter.resolve_nested_schema(schema) for key, schema in field.variants.items()}
    distinct = {reference["$ref"]: reference for reference in references.values()}
    document: dict[str, Any] = {"oneOf": [*distinct.values()]}
    if field.discriminator is not None:
        mapping = {key: reference["$ref"] for key, reference in references.items()}
        document["discriminator"] = {"propertyName": field.discriminator, "mapping": mapping}
    return document


def _raise_if_any(errors: Iterable[FieldError]) -> None:
    if found := [*errors]:
        raise ValidationFailed(found)
