"""Schemas of the parts of a chart spec: overlays, panels, annotations, bricks and the kinds of data.

Each loads a JSON object into a record of `domain`. `request` checks which parts a chart may combine.
"""

from __future__ import annotations

from typing import Any, ClassVar, get_args

from marshmallow import Schema, ValidationError, fields, post_load
from marshmallow.validate import Length, OneOf, Range

from app.charts.api.fields import Color, Column, Instant, Number, PrintableText, Whole, instant
from app.charts.domain import (
    AtrPanel,
    Bollinger,
    Brick,
    DrawdownPanel,
    EquityCurve,
    HLine,
    MacdPanel,
    MovingAverage,
    OrderMark,
    RsiPanel,
    Sample,
    Side,
    SignalMark,
    VLine,
    VolumePanel,
    VolumeProfile,
    Vwap,
    Zone,
)
from app.charts.limits import LINE_WIDTHS, MAX_PERIOD, MAX_PROFILE_ROWS, MAX_TARGETS, MAX_TEXT_LENGTH
from app.charts.request import BarsReference
from app.market.domain import MAX_BARS, BarError, Bars, check, rises
from app.shared.instruments import TIMEFRAME_SECONDS
from app.web.http.fields import Instrument


class _Record(Schema):
    """A schema that loads into the record `makes`."""

    makes: ClassVar[type[Any]]

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> Any:
        return self.makes(**values)


def _kind(*names: str) -> fields.String:
    return fields.String(required=True, validate=OneOf(names))


def _period(default: int, minimum: int = 2) -> Whole:
    return Whole(load_default=default, validate=Range(minimum, MAX_PERIOD))


def _side() -> fields.String:
    return fields.String(required=True, validate=OneOf(get_args(Side)))


def _label() -> PrintableText:
    return PrintableText(load_default="", validate=Length(max=MAX_TEXT_LENGTH))


def _color() -> Color:
    return Color(
        load_default=None, allow_none=True, metadata={"description": "Default: the next overlay colour of the theme"}
    )


def _width() -> Number:
    return Number(
        load_default=None,
        allow_none=True,
        validate=Range(*LINE_WIDTHS),
        metadata={"description": "Line width in CSS pixels. Default: 1.5, for Bollinger bands 1"},
    )


class MovingAverageSchema(_Record):
    makes = MovingAverage
    kind = _kind("sma", "ema", "wma")
    period = _period(20)
    color = _color()
    width = _width()


class BollingerSchema(_Record):
    makes = Bollinger
    kind = _kind("bollinger")
    period = _period(20)
    multiplier = Number(load_default=2.0, validate=Range(0.1, 100))
    color = _color()
    width = _width()


class VwapSchema(_Record):
    makes = Vwap
    kind = _kind("vwap")
    color = _color()
    width = _width()


class VolumeProfileSchema(_Record):
    makes = VolumeProfile
    kind = _kind("volume_profile")
    rows = Whole(load_default=48, validate=Range(2, MAX_PROFILE_ROWS))
    color = _color()


class VolumePanelSchema(_Record):
    makes = VolumePanel
    kind = _kind("volume")


class RsiPanelSchema(_Record):
    makes = RsiPanel
    kind = _kind("rsi")
    period = _period(14)


class MacdPanelSchema(_Record):
    makes = MacdPanel
    kind = _kind("macd")
    fast = _period(12)
    slow = _period(26)
    signal = _period(9, minimum=1)

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> MacdPanel:
        if values["fast"] >= values["slow"]:
            raise ValidationError("Must be longer than `fast`.", "slow")
        return MacdPanel(**values)


class AtrPanelSchema(_Record):
    makes = AtrPanel
    kind = _kind("atr")
    period = _period(14)


class DrawdownPanelSchema(_Record):
    makes = DrawdownPanel
    kind = _kind("drawdown")


class SignalMarkSchema(_Record):
    makes = SignalMark
    kind = _kind("signal")
    side = _side()
    time = Instant(required=True)
    price = Number(load_default=None, allow_none=True, metadata={"description": "Default: the close of the bar"})
    label = _label()


class OrderMarkSchema(_Record):
    makes = OrderMark
    kind = _kind("order")
    side = _side()
    entry = Number(required=True)
    stop = Number(load_default=None, allow_none=True)
    targets = Column(load_default=(), min_items=0, max_items=MAX_TARGETS, validate=Length(max=MAX_TARGETS))
    start = Instant(required=True, data_key="from")
    end = Instant(load_default=None, allow_none=True, data_key="to")


class HLineSchema(_Record):
    makes = HLine
    kind = _kind("hline")
    price = Number(required=True)
    label = _label()


class VLineSchema(_Record):
    makes = VLine
    kind = _kind("vline")
    time = Instant(required=True)
    label = _label()


class ZoneSchema(_Record):
    makes = Zone
    kind = _kind("zone")
    start = Instant(required=True, data_key="from")
    end = Instant(required=True, data_key="to")
    label = _label()


class BrickSchema(_Record):
    makes = Brick
    mode = fields.String(load_default="atr", validate=OneOf(("atr", "fixed")))
    size = Number(
        load_default=None, allow_none=True, validate=Range(0, min_inclusive=False), metadata={"exclusiveMinimum": 0}
    )
    period = _period(14)


class BarsSchema(_Record):
    """Bars as columns of equal length."""

    time = Column(of=instant, max_items=MAX_BARS, required=True)
    open = Column(max_items=MAX_BARS, required=True)
    high = Column(max_items=MAX_BARS, required=True)
    low = Column(max_items=MAX_BARS, required=True)
    close = Column(max_items=MAX_BARS, required=True)
    volume = Column(max_items=MAX_BARS, load_default=None, allow_none=True)

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> Bars:
        bars = Bars(**values)
        try:
            return check(bars)
        except BarError as error:
            raise ValidationError({error.column: {error.row: [error.message]}}) from error


class EquityCurveSchema(_Record):
    """Account equity over time."""

    time = Column(of=instant, max_items=MAX_BARS, required=True)
    equity = Column(max_items=MAX_BARS, required=True)

    @post_load
    def make(self, values: dict[str, Any], **_: Any) -> EquityCurve:
        curve = EquityCurve(**values)
        if len(curve.time) != len(curve.equity):
            raise ValidationError(f"{len(curve.equity)} values for {len(curve.time)} times.", "equity")
        if not rises(curve.time):
            row = next(row for row, time in enumerate(curve.time) if row and time <= curve.time[row - 1])
            raise ValidationError({"time": {row: ["Must be later than the one before it."]}})
        return curve


class SampleSchema(_Record):
    """Values of a histogram; null is a missing value."""

    makes = Sample
    values = Column(nullable=True, max_items=MAX_BARS, required=True)


class BarsReferenceSchema(_Record):
    """The last stored bars of an instrument."""

    makes = BarsReference
    instrument = Instrument(required=True)
    timeframe = fields.String(required=True, validate=OneOf(TIMEFRAME_SECONDS))
    until_ms = Instant(load_default=None, allow_none=True, data_key="until")
    bars = Whole(load_default=200, validate=Range(1))
