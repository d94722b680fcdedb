"""A chart request: a spec that may refer to stored bars, its limits, and the rules between its fields. Pure.

In `domain` a spec always contains its data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from app.charts.cost import cost_errors
from app.charts.domain import (
    PRICE_TYPES,
    Annotation,
    Brick,
    ChartData,
    ChartSpec,
    EquityCurve,
    OrderMark,
    Sample,
    VolumePanel,
    VolumeProfile,
    Vwap,
    Zone,
    order_errors,
)
from app.charts.history import StoredBars, bars_needed
from app.charts.limits import MIN_SIDE
from app.market.domain import Bars
from app.shared.errors import FieldError, ValidationFailed
from config import Settings

COLOR_KEYS: Final = ("background", "text", "muted", "grid", "border", "up", "down", "accent")

_NEEDS_VOLUME: Final = (Vwap, VolumeProfile, VolumePanel)


@dataclass(frozen=True, slots=True)
class ChartLimits:
    """Limits of a request. `max_pixels` are image pixels (after `scale`), `max_milliseconds` the estimated cost."""

    max_side: int = Settings.charts_max_side
    max_pixels: int = Settings.charts_max_pixels
    max_bars: int = Settings.charts_max_bars
    max_overlays: int = Settings.charts_max_overlays
    max_panels: int = Settings.charts_max_panels
    max_annotations: int = Settings.charts_max_annotations
    max_milliseconds: int = Settings.charts_max_milliseconds

    @classmethod
    def of(cls, settings: Settings) -> ChartLimits:
        return cls(**{field.name: getattr(settings, f"charts_{field.name}") for field in fields(cls)})


@dataclass(frozen=True, slots=True)
class BarsReference:
    """A reference to stored bars: the last `bars` that start at or before `until_ms` (epoch ms, None: the newest)."""

    instrument: str
    timeframe: str
    until_ms: int | None = None
    bars: int = 200


@dataclass(frozen=True, slots=True)
class SpecRequest:
    """A validated request. `options` are the fields of a ChartSpec without `data`.

    They include `instrument`, `timeframe`, `brick`, `bins` and `visible` only when the request has them.
    """

    options: Mapping[str, Any]
    data: ChartData | BarsReference

    @property
    def reference(self) -> BarsReference | None:
        """The stored bars to read before `complete`. None when the request contains its data."""
        return self.data if isinstance(self.data, BarsReference) else None

    @property
    def bars(self) -> int:
        """How many bars or values the data has. For a reference: at most."""
        if isinstance(self.data, BarsReference):
            return self.data.bars
        return len(self.data.values if isinstance(self.data, Sample) else self.data.time)

    @property
    def hidden(self) -> int:
        """How many bars before those of the reference the indicators need."""
        if not isinstance(self.data, BarsReference):
            return 0
        return bars_needed(self.options["overlays"], self.options["panels"], self.data.timeframe)

    def complete(self, stored: StoredBars | None = None) -> ChartSpec:
        """Build the spec. `stored` are the bars of the reference, and ignored without one.

        Raises ValidationFailed when the data does not fit the options: no bars, no volume, or a log scale of zero.
        """
        data: ChartData
        if not isinstance(self.data, BarsReference):
            data, options = self.data, dict(self.options)
        else:
            if stored is None or not len(stored.bars):
                raise ValidationFailed([FieldError("/data", "no such bars are stored")])
            names = {"instrument": self.data.instrument, "timeframe": self.data.timeframe}
            data, options = stored.bars, {**self.options, **names, "visible": stored.visible}
        if isinstance(data, Bars) and options.get("visible") == len(data):
            options["visible"] = None
        spec = ChartSpec(data=data, **options)
        if errors := [*data_errors(spec)]:
            raise ValidationFailed(errors)
        return spec


def length_errors(raw: Mapping[str, Any], limits: ChartLimits) -> Iterator[FieldError]:
    """Yield an error for each list of the JSON object that is too long. Called before the items are validated."""
    for name, limit in (
        ("overlays", limits.max_overlays),
        ("panels", limits.max_panels),
        ("annotations", limits.max_annotations),
    ):
        if isinstance(items := raw.get(name), list) and len(items) > limit:
            yield FieldError(f"/{name}", f"{len(items)} are too many: at most {limit}")
    data = raw.get("data")
    for name, column in data.items() if isinstance(data, dict) else ():
        if isinstance(column, list) and len(column) > limits.max_bars:
            yield FieldError(f"/data/{name}", f"{len(column)} are too many: at most {limits.max_bars}")
            return


def option_errors(request: SpecRequest, limits: ChartLimits) -> Sequence[FieldError]:
    """Return the errors of options that exceed a limit or contradict each other; if none, that of an excessive cost."""
    errors = [*_limit_errors(request, limits)]
    return errors or [*cost_errors(request.options, request.bars, limits.max_milliseconds)]


def _limit_errors(request: SpecRequest, limits: ChartLimits) -> Iterator[FieldError]:
    options = request.options
    yield from _pixel_errors(options, limits)
    yield from _type_errors(options)
    reference = request.reference
    if reference is not None and reference.bars > limits.max_bars:
        yield FieldError("/data/bars", f"must be at most {limits.max_bars}")
    for name in ("instrument", "timeframe") if reference is not None else ():
        if name in options:
            yield FieldError(f"/{name}", "is already named in the data")
    yield from _annotation_errors(options["annotations"])
    yield from _visible_errors(request)


def data_errors(spec: ChartSpec) -> Iterator[FieldError]:
    """Yield an error for each option of a spec that its data does not support."""
    if isinstance(spec.data, Bars) and spec.data.volume is None:
        for name in ("overlays", "panels"):
            for place, item in enumerate(getattr(spec, name)):
                if isinstance(item, _NEEDS_VOLUME):
                    yield FieldError(f"/{name}/{place}", f"{item.kind} needs a volume, and the bars have none")
    if isinstance(spec.data, Sample) and not any(value is not None for value in spec.data.values):
        yield FieldError("/data/values", "all values are null")
    if spec.y_scale == "log" and _lowest(spec.data) <= 0:
        yield FieldError("/y_scale", "a log scale needs values above zero")


def _pixel_errors(options: Mapping[str, Any], limits: ChartLimits) -> Iterator[FieldError]:
    width, height, scale = options["width"], options["height"], options["scale"]
    for name, side in (("width", width), ("height", height)):
        if side > limits.max_side:
            yield FieldError(f"/{name}", f"must be {MIN_SIDE} to {limits.max_side}")
    pixels = width * height * scale * scale
    if pixels > limits.max_pixels:
        at = "/scale" if scale > 1 else "/width"
        yield FieldError(at, f"the image would have {pixels} pixels: at most {limits.max_pixels}")


def _type_errors(options: Mapping[str, Any]) -> Iterator[FieldError]:
    kind = options["type"]
    if kind not in PRICE_TYPES:
        for name in ("overlays", "panels", "annotations"):
            if options[name]:
                yield FieldError(f"/{name}", f"do not go with a chart of type {kind}")
    if kind != "renko" and "brick" in options:
        yield FieldError("/brick", "goes with a chart of type renko only")
    if kind != "histogram" and options.get("bins") is not None:
        yield FieldError("/bins", "goes with a chart of type histogram only")
    if kind not in PRICE_TYPES and options.get("right_offset") is not None:
        yield FieldError("/right_offset", f"does not go with a chart of type {kind}")
    if kind == "histogram" and options["y_scale"] == "log":
        yield FieldError("/y_scale", "counts have no log scale")
    yield from _brick_errors(options.get("brick", Brick()))


def _annotation_errors(annotations: Sequence[Annotation]) -> Iterator[FieldError]:
    for place, item in enumerate(annotations):
        if isinstance(item, OrderMark):
            yield from (FieldError(f"/annotations/{place}{at}", rule) for at, rule in order_errors(item))
        elif isinstance(item, Zone) and item.end < item.start:
            yield FieldError(f"/annotations/{place}/to", "is before `from`")


def _visible_errors(request: SpecRequest) -> Iterator[FieldError]:
    visible = request.options.get("visible")
    if visible is None:
        return
    if request.reference is not None:
        yield FieldError("/visible", "goes with data in the request only: stored bars are counted by `bars`")
    elif request.options["type"] not in PRICE_TYPES:
        yield FieldError("/visible", f"does not go with a chart of type {request.options['type']}")
    elif visible > request.bars:
        yield FieldError("/visible", f"there are only {request.bars} bars")


def _brick_errors(brick: Brick) -> Iterator[FieldError]:
    if brick.mode == "fixed" and brick.size is None:
        yield FieldError("/brick/size", "a fixed brick needs its size")
    if brick.mode == "atr" and brick.size is not None:
        yield FieldError("/brick/size", "goes with a fixed brick only")


def _lowest(data: ChartData) -> float:
    if isinstance(data, Sample):
        return 1.0
    return min(data.equity if isinstance(data, EquityCurve) else data.low)
