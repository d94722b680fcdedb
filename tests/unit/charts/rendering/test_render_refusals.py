from __future__ import annotations

from dataclasses import replace

import pytest

from app.charts.domain import Brick, EquityCurve, MacdPanel, MovingAverage, Sample, VolumePanel, VolumeProfile, Vwap
from app.charts.rendering import engine
from app.charts.rendering.errors import RenderError
from app.market.domain import Bars
from tests.unit.charts.rendering.chart_builders import a_spec, some_bars

INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


def with_value(column, row, value):
    bars = some_bars(10)
    values = list(getattr(bars, column))
    values[row] = value
    return replace(bars, **{column: tuple(values)})


@pytest.mark.parametrize(
    ("pointer", "changes"),
    [
        ("/data/time", {"data": Bars((), (), (), (), ())}),
        ("/data/close", {"data": replace(some_bars(10), close=(1.0,))}),
        ("/data/volume", {"data": replace(some_bars(10), volume=(1.0,))}),
        ("/data/time/4", {"data": with_value("time", 4, 0)}),
        ("/data/time/0", {"data": with_value("time", 0, -(10**15))}),
        ("/data/open/3", {"data": with_value("open", 3, NOT_A_NUMBER)}),
        ("/data/high/5", {"data": with_value("high", 5, INFINITE)}),
        ("/data/high/5", {"data": with_value("high", 5, 1e101)}),
        ("/data/high/6", {"data": with_value("high", 6, 1.0)}),
        ("/data/low/7", {"data": with_value("low", 7, 1e6)}),
        ("/data/volume/2", {"data": with_value("volume", 2, -1.0)}),
        ("/data/low/9", {"data": with_value("low", 9, 0.0), "y_scale": "log"}),
        ("/data", {"data": Sample((1.0,))}),
        ("/data", {"type": "equity"}),
        ("/data", {"type": "histogram"}),
        ("/data/time", {"type": "equity", "data": EquityCurve((), ())}),
        ("/data/equity", {"type": "equity", "data": EquityCurve((1, 2), (1.0,))}),
        ("/data/equity/1", {"type": "equity", "data": EquityCurve((1, 2), (1.0, INFINITE))}),
        ("/data/time/1", {"type": "equity", "data": EquityCurve((2, 1), (1.0, 2.0))}),
        ("/data/values", {"type": "histogram", "data": Sample((None, None))}),
        ("/data/values/1", {"type": "histogram", "data": Sample((None, INFINITE))}),
        ("/overlays/1", {"data": some_bars(volume=False), "overlays": (MovingAverage("sma"), Vwap())}),
        ("/overlays/0", {"data": some_bars(volume=False), "overlays": (VolumeProfile(),)}),
        ("/panels/0", {"data": some_bars(volume=False), "panels": (VolumePanel(),)}),
        ("/panels/1/fast", {"panels": (VolumePanel(), MacdPanel(26, 12, 9))}),
        ("/colors/up", {"colors": {"up": "red"}}),
        ("/colors/frame", {"colors": {"frame": "#fff"}}),
        ("/brick/size", {"type": "renko", "brick": Brick("fixed", None)}),
        ("/brick/size", {"type": "renko", "brick": Brick("fixed", 1e-9)}),
        ("/brick", {"type": "renko", "brick": Brick("fixed", 1e6)}),
    ],
)
def test_what_cannot_be_drawn_is_refused_where_it_stands(pointer, changes):
    with pytest.raises(RenderError) as refusal:
        engine.render(a_spec(**changes))
    assert refusal.value.pointer == pointer
    assert refusal.value.message
