"""Heikin-Ashi, Renko and aggregated bars: cases worked out by hand, and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from app.charts.domain import Brick
from app.charts.rendering.analysis.transforms import (
    MAX_BRICKS,
    BarArrays,
    BrickError,
    aggregate,
    heikin_ashi,
    renko,
)
from app.market.domain import Bars

closes = arrays(np.float64, st.integers(1, 80), elements=st.floats(0.5, 1000))


def bars_of(close, *, volume=True) -> BarArrays:
    close = np.asarray(close, dtype=np.float64)
    opening = np.append(close[:1], close[:-1])
    return BarArrays(
        time=np.arange(len(close), dtype=np.int64) * 60_000,
        open=opening,
        high=np.maximum(opening, close) + 0.5,
        low=np.minimum(opening, close) - 0.5,
        close=close,
        volume=np.arange(1.0, len(close) + 1) if volume else None,
    )


def bricks_of(close, size: float) -> list[tuple[int, float, float]]:
    bricks, used = renko(bars_of(close), Brick("fixed", size))
    assert used == size
    minutes = (bricks.time // 60_000).tolist()
    return list(zip(minutes, bricks.open.tolist(), bricks.close.tolist(), strict=True))


def test_columns_hold_what_the_bars_hold():
    bars = Bars((1, 2), (1.0, 2.0), (3.0, 4.0), (0.5, 1.5), (2.0, 3.0), (10.0, 20.0))
    columns = BarArrays.from_bars(bars)
    assert columns.time.dtype == np.int64
    assert columns.close.tolist() == [2.0, 3.0]
    assert columns.volume is not None
    assert columns.volume.tolist() == [10.0, 20.0]
    assert BarArrays.from_bars(Bars((1,), (1.0,), (1.0,), (1.0,), (1.0,))).volume is None


def test_heikin_ashi_opens_in_the_middle_of_the_candle_before():
    columns = BarArrays(
        time=np.arange(3, dtype=np.int64),
        open=np.array([10.0, 12.0, 11.0]),
        high=np.array([14.0, 13.0, 11.5]),
        low=np.array([8.0, 11.0, 5.0]),
        close=np.array([12.0, 12.0, 6.5]),
    )
    candles = heikin_ashi(columns)
    assert candles.close.tolist() == [11.0, 12.0, 8.5]
    assert candles.open.tolist() == [11.0, 11.0, 11.5]
    assert candles.high.tolist() == [14.0, 13.0, 11.5]
    assert candles.low.tolist() == [8.0, 11.0, 5.0]


@given(closes)
@settings(deadline=None)
def test_heikin_ashi_equals_its_definition_computed_bar_by_bar(close):
    bars = bars_of(close)
    candles = heikin_ashi(bars)
    opening = (bars.open[0] + bars.close[0]) / 2
    for row in range(len(bars)):
        closing = (bars.open[row] + bars.high[row] + bars.low[row] + bars.close[row]) / 4
        assert candles.open[row] == pytest.approx(opening, rel=1e-12)
        assert candles.close[row] == pytest.approx(closing, rel=1e-12)
        assert candles.high[row] >= max(candles.open[row], candles.close[row])
        assert candles.low[row] <= min(candles.open[row], candles.close[row])
        opening = (opening + closing) / 2


def test_a_brick_is_drawn_for_every_whole_size_the_close_moves_on():
    assert bricks_of([100, 101.5, 101.9, 104.2], 1.0) == [(1, 100, 101), (3, 101, 102), (3, 102, 103), (3, 103, 104)]


def test_a_reversal_needs_two_bricks_and_leaves_one_free():
    assert bricks_of([100, 102, 101, 100.1, 100], 1.0) == [(1, 100, 101), (1, 101, 102), (4, 101, 100)]


def test_a_reversal_upwards_needs_two_bricks_too():
    assert bricks_of([100, 98, 99.9, 100, 101], 1.0) == [(1, 100, 99), (1, 99, 98), (3, 99, 100), (4, 100, 101)]


def test_the_first_brick_may_go_either_way():
    assert bricks_of([100, 99], 1.0) == [(1, 100, 99)]
    assert bricks_of([100, 101], 1.0) == [(1, 100, 101)]


def test_a_move_of_exactly_one_size_is_a_brick_in_spite_of_binary_fractions():
    assert len(bricks_of([100, 100.1, 100.2, 100.3], 0.1)) == 3
    assert len(bricks_of([1.1, 1.0, 0.9, 0.8], 0.1)) == 3


def test_a_close_that_never_moves_a_whole_size_makes_no_brick():
    assert bricks_of([100, 100.4, 99.7, 100.2], 1.0) == []
    assert len(renko(bars_of([5.0]), Brick())[0]) == 0


def test_the_atr_brick_is_the_atr_at_the_end_of_the_data():
    bars = bars_of([10, 12, 11, 14])
    # True ranges 3, 2, 4: each move of the close and half a unit of wick at either end.
    assert renko(bars, Brick("atr", None, 3))[1] == pytest.approx(3.0)


def test_the_atr_brick_of_too_few_bars_is_their_mean_true_range():
    assert renko(bars_of([10, 12, 11]), Brick("atr", None, 14))[1] == pytest.approx(2.5)


def test_bricks_share_the_volume_traded_since_the_brick_before():
    bricks, _ = renko(bars_of([100, 100.5, 102, 103]), Brick("fixed", 1.0))
    assert bricks.volume is not None
    assert bricks.volume.tolist() == [3.0, 3.0, 4.0]
    assert renko(bars_of([100, 102], volume=False), Brick("fixed", 1.0))[0].volume is None


def test_a_fixed_brick_far_too_small_is_refused_with_a_size_that_would_do():
    with pytest.raises(BrickError, match="too small for these prices") as refused:
        renko(bars_of([100, 200]), Brick("fixed", 1e-6))
    offered = float(str(refused.value).split(": ")[1].split()[0])
    assert 0 < len(renko(bars_of([100, 200]), Brick("fixed", offered))[0]) <= MAX_BRICKS


def test_an_atr_brick_grows_rather_than_make_too_many_bricks():
    flat = np.full(3000, 1e9) + np.arange(3000) % 2
    bars = bars_of(np.concatenate(([1.0], flat)))
    bricks, size = renko(bars, Brick("atr", None, 5))
    assert len(bricks) <= MAX_BRICKS
    assert size > 1e4


@given(closes, st.floats(5, 50))
@settings(deadline=None)
def test_bricks_follow_each_other_without_a_gap(close, size):
    bricks, _ = renko(bars_of(close), Brick("fixed", size))
    step = np.sign(bricks.close - bricks.open)
    turned = step[1:] != step[:-1]
    np.testing.assert_allclose(np.abs(bricks.close - bricks.open), size)
    np.testing.assert_allclose(bricks.open[1:], np.where(turned, bricks.open[:-1], bricks.close[:-1]), atol=1e-6)
    assert np.all(np.diff(bricks.time) >= 0)
    if len(bricks):
        assert abs(close[-1] - bricks.close[-1]) < 2 * size + 1e-6
    else:
        assert np.ptp(np.append(close, close[0])) <= 2 * size


def test_coarser_bars_keep_the_true_high_and_low_and_sum_the_volume():
    columns = BarArrays(
        time=np.arange(5, dtype=np.int64),
        open=np.array([1.0, 2, 3, 4, 5]),
        high=np.array([9.0, 3, 4, 8, 6]),
        low=np.array([1.0, 0, 3, 2, 4]),
        close=np.array([2.0, 3, 4, 5, 6]),
        volume=np.array([1.0, 2, 3, 4, 5]),
    )
    coarse = aggregate(columns, 2)
    assert coarse.time.tolist() == [0, 2, 4]
    assert coarse.open.tolist() == [1, 3, 5]
    assert coarse.high.tolist() == [9, 8, 6]
    assert coarse.low.tolist() == [0, 2, 4]
    assert coarse.close.tolist() == [3, 5, 6]
    assert coarse.volume is not None
    assert coarse.volume.tolist() == [3, 7, 5]
    assert aggregate(columns, 1) is columns


@given(closes, st.integers(2, 30))
@settings(deadline=None)
def test_coarser_bars_lose_no_extreme_and_no_volume(close, factor):
    bars = bars_of(close)
    coarse = aggregate(bars, factor)
    assert len(coarse) == -(-len(bars) // factor)
    assert (coarse.high.max(), coarse.low.min()) == (bars.high.max(), bars.low.min())
    assert (coarse.open[0], coarse.close[-1]) == (bars.open[0], bars.close[-1])
    assert coarse.volume is not None
    assert bars.volume is not None
    assert coarse.volume.sum() == bars.volume.sum()
