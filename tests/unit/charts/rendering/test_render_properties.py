"""For all finite bars the engine draws a valid image of the spec's size, or raises an error with a pointer."""

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from app.charts.domain import (
    AtrPanel,
    Bollinger,
    ChartSpec,
    DrawdownPanel,
    EquityCurve,
    HLine,
    MacdPanel,
    MovingAverage,
    OrderMark,
    RsiPanel,
    Sample,
    SignalMark,
    VLine,
    VolumePanel,
    VolumeProfile,
    Vwap,
    Zone,
)
from app.charts.rendering import engine
from app.charts.rendering.errors import RenderError
from app.charts.rendering.plotting.price_data import MAX_VALUE
from app.market.domain import Bars
from tests.unit.charts.rendering.chart_builders import opened

FINITE = st.floats(min_value=-MAX_VALUE, max_value=MAX_VALUE)
PRICE = st.one_of(FINITE, st.floats(0.5, 2.0), st.sampled_from([0.0, 1.0, 1e-8, 1e9, 1e-300]))
GAPS = st.sampled_from([1, 1_000, 60_000, 3_600_000, 86_400_000, 10**10])
TEXT = st.text(max_size=30)
SIZES = st.tuples(st.integers(64, 700), st.integers(64, 500), st.integers(1, 2))
OVERLAYS = [
    MovingAverage("sma", 3),
    MovingAverage("ema", 2),
    MovingAverage("wma", 30),
    Bollinger(4, 2.0),
    Vwap(),
    VolumeProfile(9),
]
PANELS = [VolumePanel(), RsiPanel(3), MacdPanel(2, 4, 2), AtrPanel(2), DrawdownPanel()]


@st.composite
def bars(draw):
    quotes = draw(st.lists(st.tuples(PRICE, PRICE, PRICE, PRICE), min_size=1, max_size=60))
    start = draw(st.integers(0, 2 * 10**12))
    steps = draw(st.lists(GAPS, min_size=len(quotes) - 1, max_size=len(quotes) - 1))
    volume = draw(st.lists(st.floats(0, MAX_VALUE), min_size=len(quotes), max_size=len(quotes)))
    return Bars(
        tuple(accumulate(steps, initial=start)),
        tuple(quote[0] for quote in quotes),
        tuple(max(quote) for quote in quotes),
        tuple(min(quote) for quote in quotes),
        tuple(quote[1] for quote in quotes),
        tuple(volume),
    )


@st.composite
def marks_at(draw, time):
    moments = st.one_of(st.sampled_from(time), st.integers(time[0] - 10**9, time[-1] + 10**11))
    prices = st.one_of(PRICE, st.sampled_from([1e300, -1e300]))
    sides = st.sampled_from(["buy", "sell"])
    return draw(
        st.one_of(
            st.builds(SignalMark, sides, moments, st.none() | prices, TEXT),
            st.builds(OrderMark, sides, prices, moments, st.none() | prices, st.lists(prices, max_size=3).map(tuple)),
            st.builds(HLine, prices, TEXT),
            st.builds(VLine, moments, TEXT),
            st.builds(Zone, moments, moments, TEXT),
        )
    )


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_any_finite_bars_give_a_valid_picture_or_a_pointed_refusal(data):
    source = data.draw(bars())
    width, height, scale = data.draw(SIZES)
    spec = ChartSpec(
        data.draw(st.sampled_from(["candlestick", "ohlc", "line", "area", "heikin_ashi", "renko"])),
        source,
        title=data.draw(TEXT),
        width=width,
        height=height,
        scale=scale,
        theme=data.draw(st.sampled_from(["light", "dark", "colorblind"])),
        timezone=data.draw(st.sampled_from(["UTC", "America/New_York", "Asia/Kolkata"])),
        y_scale=data.draw(st.sampled_from(["linear", "log"])),
        overlays=tuple(data.draw(st.lists(st.sampled_from(OVERLAYS), max_size=3))),
        panels=tuple(data.draw(st.lists(st.sampled_from(PANELS), max_size=3))),
        annotations=tuple(data.draw(st.lists(marks_at(source.time), max_size=4))),
    )
    assert_drawn_or_refused(spec)


@settings(max_examples=60, deadline=None)
@given(bars(), SIZES)
def test_any_finite_curve_gives_a_valid_equity_chart(source, size):
    curve = EquityCurve(source.time, source.close)
    assert_drawn_or_refused(ChartSpec("equity", curve, width=size[0], height=size[1], scale=size[2]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | PRICE, min_size=1, max_size=200), st.none() | st.integers(1, 50), SIZES)
def test_any_finite_values_give_a_valid_histogram(values, bins, size):
    spec = ChartSpec("histogram", Sample(tuple(values)), width=size[0], height=size[1], scale=size[2], bins=bins)
    assert_drawn_or_refused(spec)


def assert_drawn_or_refused(spec):
    image = drawn_or_refused(spec)
    if image is not None:
        assert opened(image).size == (spec.width * spec.scale, spec.height * spec.scale)
        assert not image.degraded
        assert image.alt


def drawn_or_refused(spec):
    """The image, or None for a RenderError with a pointer; any other exception fails the test."""
    try:
        return engine.render(spec)
    except RenderError as refusal:
        if not refusal.pointer.startswith("/"):
            raise
        return None
