"""The fields of a chart request, their rules, and the pointers of errors."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from decimal import Decimal
from time import perf_counter
from typing import Any

import pytest
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from app.charts import domain
from app.charts.api.schemas import (
    ANNOTATIONS,
    EXAMPLE,
    OVERLAYS,
    PANELS,
    SpecSchema,
    document_variant,
    load_spec,
)
from app.charts.domain import ChartSpec, canonical, parse_canonical
from app.charts.history import StoredBars
from app.charts.rendering.plotting.theme import CUSTOM_KEYS
from app.charts.request import COLOR_KEYS, BarsReference, ChartLimits
from app.market.domain import Bars
from app.shared.errors import ValidationFailed
from config import Settings

BARS: dict[str, list[Any]] = {
    "time": [60_000, 120_000, 180_000],
    "open": [1.0, 2, 3],
    "high": [2.5, 3.5, 4],
    "low": [0.5, 1.5, 2],
    "close": [2.0, 3, 2.5],
    "volume": [10, 0, 30.5],
}
MARKS: dict[str, dict[str, Any]] = {
    "signal": {"kind": "signal", "side": "buy", "time": 60_000, "price": 1.5, "label": "in"},
    "order": {"kind": "order", "side": "sell", "entry": 3, "stop": 4, "targets": [2, 1], "from": 60_000, "to": 120_000},
    "hline": {"kind": "hline", "price": 2},
    "vline": {"kind": "vline", "time": 60_000},
    "zone": {"kind": "zone", "from": 60_000, "to": 120_000},
}
AN_ORDER = {"kind": "order", "side": "buy", "entry": 2, "stop": 1, "targets": [3], "from": 60_000}


def a_spec(**changes: Any) -> dict[str, Any]:
    return {"type": "candlestick", "data": BARS, **changes}


def some_bars(**changes: Any) -> dict[str, Any]:
    return {**BARS, **changes}


def errors_of(raw: Any, limits: ChartLimits | None = None) -> dict[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        load_spec(raw, limits or ChartLimits())
    return {error.pointer: error.message for error in caught.value.errors}


def loaded(**changes: Any) -> ChartSpec:
    return load_spec(a_spec(**changes)).complete()


def document() -> Any:
    plugin = MarshmallowPlugin()
    spec = APISpec("Charts", "1", "3.1.0", plugins=[plugin])
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(document_variant)
    spec.components.schema("ChartSpec", schema=SpecSchema)
    schemas = spec.to_dict()["components"]["schemas"]
    return {"$ref": "#/components/schemas/ChartSpec", "components": {"schemas": schemas}}


def test_a_minimal_spec_gets_every_default_of_the_domain():
    spec = loaded()
    assert spec == ChartSpec(type="candlestick", data=spec.data)


def test_inline_bars_become_bars():
    data = loaded().data
    assert data == Bars((60_000, 120_000, 180_000), (1, 2, 3), (2.5, 3.5, 4), (0.5, 1.5, 2), (2, 3, 2.5), (10, 0, 30.5))
    assert all(type(value) is float for value in data.open)


@pytest.mark.parametrize("part", [*OVERLAYS, *PANELS])
def test_an_overlay_or_panel_without_settings_has_the_defaults_of_the_domain(part):
    name = "overlays" if part in OVERLAYS else "panels"
    (item,) = getattr(loaded(**{name: [{"kind": part}]}), name)
    defaults = {field.name: field.default for field in fields(item) if field.name != "kind"}
    assert item.kind == part
    assert {name: getattr(item, name) for name in defaults} == defaults


def test_the_limits_are_those_of_the_settings_and_by_default_their_defaults():
    assert ChartLimits.of(Settings()) == ChartLimits()
    names = [field.name for field in fields(ChartLimits)]
    numbers: dict[str, Any] = {f"charts_{name}": number for number, name in enumerate(names, start=1)}
    settings = replace(Settings(), **numbers)
    assert [getattr(ChartLimits.of(settings), name) for name in names] == [*range(1, len(names) + 1)]


def test_the_schemas_know_every_kind_the_domain_has():
    assert domain._OVERLAYS.keys() == OVERLAYS.keys()
    assert domain._PANELS.keys() == PANELS.keys()
    assert domain._ANNOTATIONS.keys() == ANNOTATIONS.keys()
    assert COLOR_KEYS == CUSTOM_KEYS


def test_a_full_spec_survives_a_round_trip_through_its_canonical_form():
    spec = loaded(
        title="株価 $AAPL",
        width=64,
        height=3000,
        scale=1,
        format="webp",
        theme="colorblind",
        timezone="Asia/Tokyo",
        y_scale="log",
        precision=4,
        overlays=[{"kind": kind} for kind in OVERLAYS],
        panels=[{"kind": kind} for kind in PANELS],
        annotations=list(MARKS.values()),
        colors={"up": "#ABC", "down": "#00ff00"},
    )
    assert spec.colors == {"up": "#abc", "down": "#00ff00"}
    assert parse_canonical(canonical(spec)) == spec
    assert load_spec(json.loads(json.dumps(a_spec()))).complete() == loaded()


@pytest.mark.parametrize("offset", [None, 0, 500])
def test_the_right_offset_is_kept_and_changes_the_chart(offset):
    spec = loaded(right_offset=offset)
    assert spec.right_offset == offset
    assert parse_canonical(canonical(spec)) == spec
    assert (canonical(spec) == canonical(loaded())) is (offset is None)


def test_a_right_offset_goes_with_price_charts_only():
    raw = {"type": "histogram", "data": {"values": [1, 2]}, "right_offset": 3}
    assert errors_of(raw).keys() == {"/right_offset"}


@pytest.mark.parametrize("kind", MARKS)
def test_every_annotation_keeps_its_values(kind):
    (item,) = loaded(annotations=[MARKS[kind]]).annotations
    written = {"from": "start", "to": "end"}
    for name, value in MARKS[kind].items():
        kept = getattr(item, written.get(name, name))
        assert (list(kept) if isinstance(kept, tuple) else kept) == value


def test_an_order_may_lack_end_stop_and_targets():
    (item,) = loaded(annotations=[{"kind": "order", "side": "buy", "entry": 2, "from": 60_000, "to": None}]).annotations
    assert item == domain.OrderMark(side="buy", entry=2.0, start=60_000)
    assert loaded(annotations=[{**MARKS["order"], "targets": []}]).annotations == (
        domain.OrderMark(side="sell", entry=3.0, stop=4.0, start=60_000, end=120_000),
    )


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        (1_714_557_600_000, 1_714_557_600_000),
        (Decimal("1714557600000.0"), 1_714_557_600_000),
        ("2024-05-01T10:00:00Z", 1_714_557_600_000),
        ("2024-05-01T12:00:00.25+02:00", 1_714_557_600_250),
        ("2024-05-01 10:00:00z", 1_714_557_600_000),
        ("1900-01-01T00:00:00Z", -2_208_988_800_000),
    ],
)
def test_times_are_epoch_milliseconds_or_rfc_3339(written, milliseconds):
    (line,) = loaded(annotations=[{"kind": "vline", "time": written}]).annotations
    assert line == domain.VLine(milliseconds)


@pytest.mark.parametrize(
    "written",
    [
        *(True, None, 1.5, [], "1714557600000", "2024-05-01", "2024-05-01T10:00:00", "2024-05-01T10:00Z"),
        *(
            "2024-13-01T10:00:00Z",
            "2024-05-01T10:00:61Z",
            "20240501T100000Z",
            "1899-12-31T23:59:59Z",
            10**15,
            7_258_118_400_000,
        ),
        *("9999-12-31T23:59:59-23:59", float("nan"), "\uff12024-05-01T10:00:00Z"),
    ],
)
def test_an_invalid_time_is_refused_with_its_pointer(written):
    assert errors_of(a_spec(annotations=[MARKS["hline"], {"kind": "vline", "time": written}])).keys() == {
        "/annotations/1/time"
    }


def test_a_column_of_rfc_3339_texts_is_read_as_times():
    texts = ["2024-05-01T10:00:00Z", "2024-05-01T11:00:00Z", "2024-05-01T14:00:00+02:00"]
    data = loaded(data=some_bars(time=texts)).data
    assert isinstance(data, Bars)
    assert data.time == (1_714_557_600_000, 1_714_561_200_000, 1_714_564_800_000)


@pytest.mark.parametrize("wrong", [True, "1", None, float("nan"), float("inf"), 10**400, 1.1e100, -1.1e100, [], {}])
@pytest.mark.parametrize("column", ["open", "high", "low", "close", "volume"])
def test_an_error_of_a_non_finite_value_has_its_column_and_row(column, wrong):
    assert errors_of(a_spec(data=some_bars(**{column: [1, wrong, wrong]}))).keys() == {f"/data/{column}/1"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"time": [60_000, 60_000, 180_000]}, "/data/time/1"),
        ({"time": [60_000, 120_000, 1]}, "/data/time/2"),
        ({"high": [2.5, 2.9, 4]}, "/data/high/1"),
        ({"low": [0.5, 1.5, 2.6]}, "/data/low/2"),
        ({"volume": [1, 1, -1]}, "/data/volume/2"),
        ({"close": [2.0, 3]}, "/data/close/2"),
        ({"volume": [1, 1, 1, 1]}, "/data/volume/3"),
    ],
)
def test_an_error_of_bars_points_at_the_first_invalid_one(change, pointer):
    assert errors_of(a_spec(data=some_bars(**change))).keys() == {pointer}


@pytest.mark.parametrize("column", ["time", "open", "high", "low", "close"])
def test_a_column_must_be_a_list_with_values(column):
    absent = {name: values for name, values in BARS.items() if name != column}
    assert errors_of(a_spec(data=absent)).keys() == {f"/data/{column}"}
    wrongs: list[Any] = [[], {}, "1", None, 3]
    for wrong in wrongs:
        assert errors_of(a_spec(data=some_bars(**{column: wrong}))).keys() == {f"/data/{column}"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"type": "pie"}, "/type"),
        ({"type": None}, "/type"),
        ({"title": "x" * 201}, "/title"),
        ({"title": "two\nlines"}, "/title"),
        ({"title": "\ud800"}, "/title"),
        ({"title": 5}, "/title"),
        ({"width": 63}, "/width"),
        ({"width": 3001}, "/width"),
        ({"height": 63}, "/height"),
        ({"height": 3001}, "/height"),
        ({"width": True}, "/width"),
        ({"width": "800"}, "/width"),
        ({"width": 800.5}, "/width"),
        ({"width": None}, "/width"),
        ({"scale": 0}, "/scale"),
        ({"scale": 4}, "/scale"),
        ({"width": 3000, "height": 1001, "scale": 2}, "/scale"),
        ({"format": "gif"}, "/format"),
        ({"theme": "neon"}, "/theme"),
        ({"timezone": "Mars/Base"}, "/timezone"),
        ({"timezone": "America"}, "/timezone"),
        ({"timezone": "../UTC"}, "/timezone"),
        ({"timezone": ""}, "/timezone"),
        ({"timezone": 3}, "/timezone"),
        ({"timezone": "x" * 5000}, "/timezone"),
        ({"y_scale": "sqrt"}, "/y_scale"),
        ({"precision": 11}, "/precision"),
        ({"precision": -1}, "/precision"),
        ({"precision": 2.5}, "/precision"),
        ({"colors": {"up": "green"}}, "/colors/up"),
        ({"colors": {"up": "#12345"}}, "/colors/up"),
        ({"colors": {"up": "#fff\n"}}, "/colors/up"),
        ({"colors": {"a/b~c": "#fff"}}, "/colors/a~1b~0c"),
        ({"colors": []}, "/colors"),
        ({"instrument": "EUR USD"}, "/instrument"),
        ({"instrument": "EURUSD\n"}, "/instrument"),
        ({"timeframe": "x" * 17}, "/timeframe"),
        ({"brick": {"mode": "atr"}}, "/brick"),
        ({"bins": 5}, "/bins"),
        ({"key": 1}, "/key"),
        ({"data": {**BARS, "vwap": []}}, "/data/vwap"),
        ({"data": []}, "/data"),
        ({"data": None}, "/data"),
        ({"overlays": {}}, "/overlays"),
        ({"overlays": ["sma"]}, "/overlays/0"),
        ({"overlays": [{"kind": "sma"}, {"kind": "rsi"}]}, "/overlays/1/kind"),
        ({"overlays": [{}]}, "/overlays/0/kind"),
        ({"overlays": [{"kind": ["sma"]}]}, "/overlays/0/kind"),
        ({"overlays": [{"kind": "sma", "period": 1}]}, "/overlays/0/period"),
        ({"overlays": [{"kind": "ema", "period": 5001}]}, "/overlays/0/period"),
        ({"overlays": [{"kind": "wma", "period": 2.5}]}, "/overlays/0/period"),
        ({"overlays": [{"kind": "vwap", "period": 2}]}, "/overlays/0/period"),
        ({"overlays": [{"kind": "bollinger", "multiplier": 0}]}, "/overlays/0/multiplier"),
        ({"overlays": [{"kind": "bollinger", "multiplier": float("nan")}]}, "/overlays/0/multiplier"),
        ({"overlays": [{"kind": "volume_profile", "rows": 1}]}, "/overlays/0/rows"),
        ({"overlays": [{"kind": "volume_profile", "rows": 501}]}, "/overlays/0/rows"),
        ({"overlays": [{"kind": "sma", "color": "red"}]}, "/overlays/0/color"),
        ({"overlays": [{"kind": "vwap"}, {"kind": "bollinger", "color": 5}]}, "/overlays/1/color"),
        ({"overlays": [{"kind": "ema", "width": 0.4}]}, "/overlays/0/width"),
        ({"overlays": [{"kind": "vwap", "width": 11}]}, "/overlays/0/width"),
        ({"overlays": [{"kind": "bollinger", "width": "2"}]}, "/overlays/0/width"),
        ({"overlays": [{"kind": "volume_profile", "width": 2}]}, "/overlays/0/width"),
        ({"panels": [{"kind": "sma"}]}, "/panels/0/kind"),
        ({"panels": [{"kind": "macd", "fast": 26, "slow": 12}]}, "/panels/0/slow"),
        ({"panels": [{"kind": "macd", "signal": 0}]}, "/panels/0/signal"),
        ({"annotations": [{**MARKS["signal"], "side": "hold"}]}, "/annotations/0/side"),
        ({"annotations": [{**MARKS["signal"], "label": "x" * 201}]}, "/annotations/0/label"),
        ({"annotations": [{**MARKS["signal"], "price": "1"}]}, "/annotations/0/price"),
        ({"annotations": [{**MARKS["order"], "targets": [1, "2"]}]}, "/annotations/0/targets/1"),
        ({"annotations": [{**MARKS["order"], "targets": [1] * 21}]}, "/annotations/0/targets"),
        ({"annotations": [{**MARKS["order"], "to": 59_999}]}, "/annotations/0/to"),
        *(
            ({"annotations": [MARKS["hline"], {**AN_ORDER, **change}]}, f"/annotations/1{pointer}")
            for change, pointer in (
                ({"stop": 2}, "/stop"),
                ({"stop": 2.5}, "/stop"),
                ({"side": "sell", "targets": []}, "/stop"),
                ({"targets": [3, 2]}, "/targets/1"),
                ({"targets": [1.5]}, "/targets/0"),
                ({"side": "sell", "stop": 3, "targets": [1, 4, 1.5]}, "/targets/1"),
            )
        ),
        *(({"right_offset": wrong}, "/right_offset") for wrong in (-1, 501, 2.5, "4", True)),
        ({"annotations": [{**MARKS["zone"], "to": None}]}, "/annotations/0/to"),
        ({"annotations": [{**MARKS["zone"], "start": 1}]}, "/annotations/0/start"),
        ({"annotations": [{"kind": "hline"}]}, "/annotations/0/price"),
    ],
)
def test_each_error_points_at_the_invalid_field(change, pointer):
    assert errors_of(a_spec(**change)).keys() == {pointer}


@pytest.mark.parametrize("raw", [None, [], "spec", 3])
def test_a_spec_must_be_an_object(raw):
    assert errors_of(raw).keys() == {""}


def test_an_empty_object_lacks_type_and_data():
    assert errors_of({}).keys() == {"/type", "/data"}


def test_all_errors_are_reported_together():
    pointers = errors_of(a_spec(width=1, theme="x", overlays=[{"kind": "sma", "period": 0}], extra=1)).keys()
    assert pointers == {"/width", "/theme", "/overlays/0/period", "/extra"}


def test_at_most_100_errors_are_reported():
    assert len(errors_of(a_spec(**{f"unknown_{number}": 1 for number in range(5000)}))) == 100


@pytest.mark.parametrize(
    ("name", "item", "limit"),
    [("overlays", {"kind": "sma"}, 12), ("panels", {"kind": "rsi"}, 6), ("annotations", MARKS["hline"], 300)],
)
def test_lists_have_a_maximum_length(name, item, limit):
    assert len(getattr(loaded(**{name: [item] * limit}), name)) == limit
    assert errors_of(a_spec(**{name: [item] * (limit + 1)})).keys() == {f"/{name}"}
    assert errors_of(a_spec(**{name: [None] * 100_000})).keys() == {f"/{name}"}


def test_the_number_of_bars_is_limited():
    limits = ChartLimits(max_bars=2)
    assert errors_of(a_spec(), limits).keys() == {"/data/time"}
    reference = {"instrument": "EURUSD", "timeframe": "1h", "bars": 3}
    assert errors_of(a_spec(data=reference), limits).keys() == {"/data/bars"}
    assert load_spec(a_spec(data={**reference, "bars": 2}), limits).reference is not None


def test_the_image_has_nine_megapixels_or_less_after_scaling():
    assert loaded(width=3000, height=3000).width == 3000
    assert loaded(width=1000, height=1000, scale=3).scale == 3
    assert errors_of(a_spec(width=1001, height=1000, scale=3)).keys() == {"/scale"}
    assert errors_of(a_spec(width=200, height=100), ChartLimits(max_pixels=19_999)).keys() == {"/width"}


def test_a_reference_is_completed_with_stored_bars():
    request = load_spec(a_spec(data={"instrument": "eurusd", "timeframe": "1h", "until": "2024-05-01T10:00:00Z"}))
    assert request.reference == BarsReference("EURUSD", "1h", 1_714_557_600_000, 200)
    bars = loaded().data
    assert isinstance(bars, Bars)
    spec = request.complete(StoredBars(bars, len(bars)))
    assert (spec.data, spec.instrument, spec.timeframe) == (bars, "EURUSD", "1h")


def test_hidden_bars_are_part_of_a_chart_and_of_its_id():
    assert loaded(visible=2).visible == 2
    assert loaded(visible=3) == loaded(visible=None) == loaded()
    ids = {
        domain.canonical_id(canonical(loaded(visible=count)), owner="", engine_version="") for count in (1, 2, 3, None)
    }
    assert len(ids) == 3
    assert parse_canonical(canonical(loaded(visible=2))) == loaded(visible=2)


@pytest.mark.parametrize(
    ("spec", "visible"),
    [
        (a_spec(), 0),
        (a_spec(), 4),
        (a_spec(), "2"),
        (a_spec(data={"instrument": "X", "timeframe": "1d"}), 2),
        ({"type": "histogram", "data": {"values": [1, 2]}}, 1),
        ({"type": "equity", "data": {"time": [0, 1], "equity": [1, 2]}}, 1),
    ],
)
def test_an_invalid_number_of_visible_bars_is_refused(spec, visible):
    assert errors_of({**spec, "visible": visible}).keys() == {"/visible"}


def test_stored_bars_with_history_show_the_requested_number():
    averaged = {"instrument": "X", "timeframe": "1d", "bars": 2}
    request = load_spec(a_spec(data=averaged, overlays=[{"kind": "ema", "period": 10}]))
    assert request.hidden == 40
    stored = loaded().data
    assert isinstance(stored, Bars)
    assert request.complete(StoredBars(stored, 2)).visible == 2


def test_a_reference_without_stored_bars_is_an_error():
    request = load_spec(a_spec(data={"instrument": "EURUSD", "timeframe": "1h"}))
    for nothing in (None, StoredBars(Bars((), (), (), (), ()), 0)):
        with pytest.raises(ValidationFailed, match="no such bars"):
            request.complete(nothing)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"timeframe": "2h"}, "/data/timeframe"),
        ({"timeframe": None}, "/data/timeframe"),
        ({"instrument": "€"}, "/data/instrument"),
        ({"bars": 0}, "/data/bars"),
        ({"until": "yesterday"}, "/data/until"),
        ({"time": []}, "/data/time"),
    ],
)
def test_an_invalid_reference_is_refused(change, pointer):
    reference = {"instrument": "EURUSD", "timeframe": "1h", **change}
    assert errors_of(a_spec(data=reference)).keys() == {pointer}


def test_a_spec_with_a_reference_may_not_repeat_its_instrument():
    raw = a_spec(data={"instrument": "EURUSD", "timeframe": "1h"}, instrument="GBPUSD", timeframe="1h")
    assert errors_of(raw).keys() == {"/instrument", "/timeframe"}
    assert loaded(instrument="gbpusd", timeframe="3h").instrument == "GBPUSD"


VOLUMELESS = {name: column for name, column in BARS.items() if name != "volume"}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"overlays": [{"kind": "sma"}, {"kind": "vwap"}]}, "/overlays/1"),
        ({"overlays": [{"kind": "volume_profile"}]}, "/overlays/0"),
        ({"panels": [{"kind": "rsi"}, {"kind": "volume"}]}, "/panels/1"),
    ],
)
def test_parts_that_need_volume_are_refused_without_it(change, pointer):
    assert errors_of(a_spec(data=VOLUMELESS, **change)).keys() == {pointer}
    assert errors_of(a_spec(data={**VOLUMELESS, "volume": None}, **change)).keys() == {pointer}
    stored = loaded().data
    assert isinstance(stored, Bars)
    request = load_spec(a_spec(data={"instrument": "X", "timeframe": "1d"}, **change))
    with pytest.raises(ValidationFailed) as caught:
        request.complete(StoredBars(replace(stored, volume=None), len(stored)))
    assert [error.pointer for error in caught.value.errors] == [pointer]


def test_a_log_scale_needs_prices_above_zero():
    assert errors_of(a_spec(data=some_bars(low=[0, 1, 2]), y_scale="log")).keys() == {"/y_scale"}
    assert loaded(data=some_bars(low=[0, 1, 2])).y_scale == "linear"


def test_an_equity_curve_takes_times_and_equity_only():
    curve = {"time": [1, 2, 3], "equity": [100, 90.5, 110]}
    spec = loaded(type="equity", data=curve)
    assert spec.data == domain.EquityCurve((1, 2, 3), (100.0, 90.5, 110.0))
    assert errors_of(a_spec(type="equity", data={**curve, "time": [1, 1, 2]})).keys() == {"/data/time/1"}
    assert errors_of(a_spec(type="equity", data={**curve, "equity": [1]})).keys() == {"/data/equity"}
    assert errors_of(a_spec(type="equity")).keys() >= {"/data/equity", "/data/open"}


def test_a_histogram_takes_values_with_gaps():
    spec = loaded(type="histogram", data={"values": [1, None, 2.5]}, bins=10)
    assert (spec.data, spec.bins) == (domain.Sample((1.0, None, 2.5)), 10)
    assert errors_of(a_spec(type="histogram", data={"values": [None]})).keys() == {"/data/values"}
    assert errors_of(a_spec(type="histogram", data={"values": [1]}, bins=501)).keys() == {"/bins"}


@pytest.mark.parametrize("chart", ["equity", "histogram"])
def test_overlays_panels_and_annotations_go_with_price_charts_only(chart):
    data = {"values": [1]} if chart == "histogram" else {"time": [1], "equity": [1]}
    raw = a_spec(
        type=chart, data=data, overlays=[{"kind": "sma"}], panels=[{"kind": "rsi"}], annotations=[MARKS["hline"]]
    )
    assert errors_of(raw).keys() == {"/overlays", "/panels", "/annotations"}


def test_a_histogram_takes_no_log_scale():
    assert errors_of(a_spec(type="histogram", data={"values": [1]}, y_scale="log")).keys() == {"/y_scale"}


def test_a_renko_brick_is_fixed_with_a_size_or_atr_without():
    assert loaded(type="renko").brick == domain.Brick()
    assert loaded(type="renko", brick={"mode": "fixed", "size": 0.5}).brick == domain.Brick("fixed", 0.5)
    assert loaded(type="renko", brick={"period": 20}).brick == domain.Brick(period=20)
    wrongs: list[dict[str, Any]] = [{"mode": "fixed"}, {"mode": "atr", "size": 1}, {"mode": "fixed", "size": 0}]
    for wrong in wrongs:
        assert errors_of(a_spec(type="renko", brick=wrong)).keys() == {"/brick/size"}
    assert errors_of(a_spec(type="renko", brick={"mode": "median"})).keys() == {"/brick/mode"}


def test_decimals_are_accepted_as_numbers():
    raw = json.loads(json.dumps(a_spec(overlays=[{"kind": "bollinger", "multiplier": 2.5}])), parse_float=Decimal)
    assert load_spec(raw).complete() == loaded(overlays=[{"kind": "bollinger", "multiplier": 2.5}])


def test_twenty_thousand_inline_bars_are_checked_in_a_fraction_of_a_second():
    count = 20_000
    columns = {name: [float(2 + values[0])] * count for name, values in BARS.items()}
    raw = a_spec(data={**columns, "time": list(range(count)), "low": [0.5] * count, "high": [9.5] * count})
    assert min(_seconds(raw) for _ in range(3)) < 0.15


def test_the_schemas_describe_themselves_as_openapi_3_1():
    schema = document()
    Draft202012Validator.check_schema(schema)
    spec = schema["components"]["schemas"]["ChartSpec"]
    assert spec["required"] == ["data", "type"]
    assert spec["properties"]["overlays"]["maxItems"] == 12
    assert spec["properties"]["width"] == {"type": "integer", "default": 1200, "minimum": 64, "maximum": 3000}
    mapping = spec["properties"]["annotations"]["items"]["discriminator"]["mapping"]
    assert mapping.keys() == ANNOTATIONS.keys()


def test_the_openapi_document_and_the_service_accept_the_same_specs():
    validator = Draft202012Validator(document())
    everything = a_spec(
        overlays=[{"kind": kind} for kind in OVERLAYS],
        panels=[{"kind": kind} for kind in PANELS],
        annotations=list(MARKS.values()),
    )
    for raw in (EXAMPLE, everything):
        validator.validate(raw)
        load_spec(raw)
    for wrong in (a_spec(width=63), a_spec(extra=1), a_spec(overlays=[{"kind": "rsi"}]), a_spec(colors={"up": "red"})):
        assert not validator.is_valid(wrong)
        errors_of(wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(sorted(SpecSchema().fields)), json_values)
@settings(deadline=None)
def test_any_json_in_any_field_is_accepted_or_refused_with_a_pointer(name, value):
    assert all(pointer.startswith("/") for pointer in pointers_of(a_spec(**{name: value})))


@given(st.sampled_from(["overlays", "panels", "annotations"]), st.sampled_from(sorted(MARKS)), json_values)
@settings(deadline=None)
def test_any_json_in_any_part_is_accepted_or_refused_with_a_pointer(name, kind, value):
    for field in MARKS[kind]:
        raw = a_spec(**{name: [{**MARKS[kind], field: value}]})
        assert all(pointer.startswith(f"/{name}/0") for pointer in pointers_of(raw))


def pointers_of(raw: Any) -> list[str]:
    try:
        load_spec(raw)
    except ValidationFailed as caught:
        return [error.pointer for error in caught.errors]
    return []


def _seconds(raw: dict[str, Any]) -> float:
    begin = perf_counter()
    load_spec(raw)
    return perf_counter() - begin


def test_an_overlay_may_have_a_colour_and_a_width():
    overlays = [{"kind": kind, "color": "#A0F", "width": 2} for kind in ("sma", "bollinger", "vwap")]
    overlays.append({"kind": "volume_profile", "color": "#00ff7f"})
    spec = loaded(overlays=overlays)
    assert [overlay.color for overlay in spec.overlays] == ["#a0f", "#a0f", "#a0f", "#00ff7f"]
    assert [overlay.width for overlay in spec.overlays if not isinstance(overlay, domain.VolumeProfile)] == [2, 2, 2]
    assert parse_canonical(canonical(spec)) == spec


def test_a_stored_spec_without_colours_and_widths_is_still_read():
    text = canonical(loaded(overlays=[{"kind": "sma"}]))
    older = text.replace('"color":null,', "").replace(',"width":null', "")
    assert older != text
    assert parse_canonical(older) == parse_canonical(text)


def test_the_document_shows_colour_and_width_of_an_overlay():
    schemas = document()["components"]["schemas"]
    assert schemas["MovingAverage"]["properties"]["width"]["maximum"] == 10
    assert schemas["VolumeProfile"]["properties"]["color"]["pattern"].startswith("^#")
