"""The render benchmark: its bars are valid, its cases draw, and missed goals are reported."""

from __future__ import annotations

from typing import Any

import pytest

from app.charts.rendering import engine
from app.market.domain import Bars, check
from benchmarks.render import engine_cases, goals, lines_of, machine
from benchmarks.render_cases import full_chart, measure, sample_bars, stages, usual_chart
from benchmarks.render_peers import vega_lite


@pytest.mark.parametrize("count", [100, 756, 757, 10_000])
def test_the_sample_has_the_requested_number_of_valid_bars(count):
    bars = check(sample_bars(count))
    assert len(bars) == count
    assert bars.volume is not None


def test_the_full_chart_has_three_overlays_three_panels_and_twenty_annotations():
    spec = full_chart()
    assert isinstance(spec.data, Bars)
    assert (len(spec.data), len(spec.overlays), len(spec.panels), len(spec.annotations)) == (500, 3, 3, 20)
    assert not [warning for warning in engine.render(spec).warnings if "range" in warning]


def test_a_report_shows_met_and_missed_goals():
    cases = measure(engine_cases(), 1)
    assert all(case["median_ms"] > 0 and case["bytes"] > 1000 for case in cases.values())
    for case in cases.values():
        case["median_ms"] = 5.0
    peers = {"500": {"signalbox": cases["500 bars"], "mplfinance": {"median_ms": 299.0, "best_ms": 1.0, "bytes": 1}}}
    report: dict[str, Any] = {
        "machine": machine(),
        "rounds": 1,
        "engine": cases,
        "stages": {"500 bars": stages(usual_chart(100), 1)},
        "peers": peers,
        "first": {"first_ms": 9.0, "median_ms": 5.0},
        "memory": {"peak_mb": 100.0, "growth_mb": 5.0},
        "notes": [],
    }
    report["goals"] = goals(report)
    assert {goal["goal"]: goal["met"] for goal in report["goals"]} == {
        "500 bars, ms": True,
        "full chart, ms": True,
        "live signal, ms": True,
        "10,000 bars / 100 bars": True,
        "scale 2 / scale 1": True,
        "first render / median": True,
        "memory growth of 1,000 renders, MB": False,
        "mplfinance / signalbox": False,
    }
    table = "\n".join(lines_of(report))
    assert table.count("MISSED") == 2
    assert "59.8x" in table


def test_the_vega_lite_peer_draws_candles_over_volume():
    rows = [{"time": 0, "open": 1.0, "high": 2.0, "low": 0.5, "close": 1.5, "volume": 9.0}]
    candles, volume = vega_lite(rows, 1200, 600)["vconcat"]
    assert [
        layer["mark"] if isinstance(layer["mark"], str) else layer["mark"]["type"] for layer in candles["layer"]
    ] == [
        "rule",
        "bar",
    ]
    assert volume["encoding"]["y"]["field"] == "volume"
