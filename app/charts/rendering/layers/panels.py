"""Panels below the price: volume, RSI, MACD, ATR and drawdown."""

from __future__ import annotations

from functools import partial

import numpy as np

from app.charts.domain import AtrPanel, ChartSpec, MacdPanel, Panel, RsiPanel, VolumePanel
from app.charts.rendering.analysis import indicators
from app.charts.rendering.canvas.base import Flags, Floats, Pixels
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.errors import RenderError
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.layers.series import wick_left
from app.charts.rendering.layers.studies import (
    PanelStudy,
    draw_study_line,
    extent,
    last_finite,
    short_data_warning,
)
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import Plot
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.theme import Theme

_COLUMN_OPACITY = 0.55
_VOLUME_WEIGHT = 0.8
_OVERBOUGHT, _OVERSOLD = 70.0, 30.0
_RSI_MARGIN = 5.0
_LEVEL_OPACITY = 0.6


def panel_name(panel: Panel) -> str:
    """The panel's name in its legend: MACD 12, 26, 9."""
    if isinstance(panel, MacdPanel):
        return f"MACD {panel.fast}, {panel.slow}, {panel.signal}"
    if isinstance(panel, RsiPanel | AtrPanel):
        return f"{panel.kind.upper()} {panel.period}"
    return panel.kind.capitalize()


def panel_weight(panel: Panel) -> float:
    """The panel's height relative to other panels."""
    return _VOLUME_WEIGHT if isinstance(panel, VolumePanel) else 1.0


def panel_studies(spec: ChartSpec, data: PriceData, theme: Theme) -> list[PanelStudy]:
    """The spec's panels from top to bottom."""
    return [_panel(panel, f"/panels/{index}", data, theme) for index, panel in enumerate(spec.panels)]


def _panel(panel: Panel, pointer: str, data: PriceData, theme: Theme) -> PanelStudy:
    if isinstance(panel, VolumePanel):
        if data.full.volume is None or data.shown.volume is None:
            raise RenderError(pointer, "volume needs bars with volume")
        return _volume(data, data.full.volume, data.shown.volume, theme)
    if isinstance(panel, RsiPanel):
        return _rsi(panel, data, theme)
    if isinstance(panel, MacdPanel):
        if panel.fast >= panel.slow:
            raise RenderError(f"{pointer}/fast", "must be less than slow")
        return _macd(panel, data, theme)
    if isinstance(panel, AtrPanel):
        return _atr(panel, data, theme)
    return _drawdown(data, theme)


def _volume(data: PriceData, full: Floats, shown: Floats, theme: Theme) -> PanelStudy:
    up = data.full.close[-1] >= data.full.open[-1]
    legend = LegendEntry(
        (("Volume", theme.muted), (number_format.compact(float(full[-1])), theme.up if up else theme.down))
    )
    rising = data.shown.close >= data.shown.open
    return PanelStudy(
        legend,
        0.0,
        float(shown.max()) or 1.0,
        partial(_draw_volume, volume=shown, rising=rising),
        text=number_format.compact,
        ticks=None if shown.any() else (),
        low_at_bottom=True,
    )


def _draw_volume(plot: Plot, volume: Floats, rising: Flags) -> None:
    top = np.round(plot.y.y(volume)).astype(np.int64)
    top = np.where(volume > 0, np.minimum(top, plot.box.bottom - 1), plot.box.bottom)
    _columns(plot, top, np.full(len(top), plot.box.bottom), rising)


def _columns(plot: Plot, top: Pixels, bottom: Pixels, rising: Flags) -> None:
    """Draw one column per bar, as wide as a candle's body, in the fainter rising or falling colour."""
    widths, theme = plot.widths(), plot.theme
    left = wick_left(plot) - (widths.body - widths.wick) // 2
    for side, color in ((rising, theme.up), (~rising, theme.down)):
        plot.canvas.bars(
            left[side], top[side], left[side] + widths.body, bottom[side], theme.faint(color, _COLUMN_OPACITY)
        )


def _rsi(panel: RsiPanel, data: PriceData, theme: Theme) -> PanelStudy:
    values = data.visible(indicators.rsi(data.past.close, panel.period))
    color = theme.lines[2]
    name = panel_name(panel)
    legend = LegendEntry(((name, theme.muted), (_number(last_finite(values)), color)), color)
    draw = partial(_draw_rsi, values=values, color=color)
    low, high = _rsi_range(values)
    ticks = (_OVERBOUGHT, _OVERSOLD, 50.0)
    return PanelStudy(legend, low, high, draw, short_data_warning(name, values), text=_whole, ticks=ticks)


def _rsi_range(values: Floats) -> tuple[float, float]:
    """The ends of an RSI's scale: they include its values and the levels 30 and 70, and stay within 0 and 100."""
    low, high = extent(values, np.array([_OVERSOLD, _OVERBOUGHT]))
    return max(low - _RSI_MARGIN, 0.0), min(high + _RSI_MARGIN, 100.0)


def _draw_rsi(plot: Plot, values: Floats, color: Rgba) -> None:
    values = plot.data.sample(values)
    top, bottom = (round(plot.y.at(level)) for level in (_OVERBOUGHT, _OVERSOLD))
    plot.canvas.box(plot.box._replace(top=top, bottom=bottom), color.faded(0.06))
    for level in (_OVERSOLD, _OVERBOUGHT):
        plot.level(level, plot.theme.faint(plot.theme.muted, _LEVEL_OPACITY), (4, 4))
    plot.line(values, color)


def _macd(panel: MacdPanel, data: PriceData, theme: Theme) -> PanelStudy:
    series = indicators.macd(data.past.close, panel.fast, panel.slow, panel.signal)
    line, signal, histogram = (data.visible(values) for values in series)
    name = panel_name(panel)
    low, high = extent(line, signal, histogram)
    low, high = min(low, 0.0), max(high, 0.0)
    decimals = number_format.decimals_for(max(abs(low), abs(high)))
    colors = (theme.lines[0], theme.lines[1])
    lasts = (last_finite(line), last_finite(signal))
    spans = (
        (name, theme.muted),
        *((_price(last, decimals), color) for last, color in zip(lasts, colors, strict=True)),
    )
    draw = partial(_draw_macd, lines=(line, signal, histogram), colors=colors)
    return PanelStudy(LegendEntry(spans, colors[0]), low, high, draw, short_data_warning(name, line))


def _draw_macd(plot: Plot, lines: tuple[Floats, ...], colors: tuple[Rgba, Rgba]) -> None:
    line, signal, histogram = (plot.data.sample(values) for values in lines)
    zero = plot.y.at(0.0)
    heights = plot.y.y(np.nan_to_num(histogram))
    top = np.round(np.minimum(heights, zero)).astype(np.int64)
    bottom = np.round(np.maximum(heights, zero)).astype(np.int64)
    _columns(plot, top, bottom, np.nan_to_num(histogram) >= 0)
    plot.level(0.0, plot.theme.faint(plot.theme.muted, _LEVEL_OPACITY))
    plot.line(line, colors[0], 1.3)
    plot.line(signal, colors[1], 1.3)


def _atr(panel: AtrPanel, data: PriceData, theme: Theme) -> PanelStudy:
    bars = data.past
    values = data.visible(indicators.atr(bars.high, bars.low, bars.close, panel.period))
    low, high = extent(values)
    name, color = panel_name(panel), theme.lines[3]
    decimals = number_format.decimals_for(high if np.isfinite(high) else 0.0)
    legend = LegendEntry(((name, theme.muted), (_price(last_finite(values), decimals), color)), color)
    draw = partial(draw_study_line, values=values, color=color)
    return PanelStudy(legend, low, high, draw, short_data_warning(name, values))


def _drawdown(data: PriceData, theme: Theme) -> PanelStudy:
    values = indicators.drawdown(data.full.close)
    low, _ = extent(values, np.zeros(1))
    legend = LegendEntry(
        (("Drawdown", theme.muted), (number_format.percent(last_finite(values)), theme.down)), theme.down
    )
    draw = partial(_draw_drawdown, values=values)
    return PanelStudy(legend, min(low, -1e-6), 0.0, draw, text=number_format.short_percent)


def _draw_drawdown(plot: Plot, values: Floats) -> None:
    values = plot.data.sample(values)
    plot.band(np.zeros(len(values)), values, plot.theme.down.faded(0.2))
    plot.line(values, plot.theme.down, 1.2)
    plot.level(0.0, plot.theme.faint(plot.theme.muted, _LEVEL_OPACITY))


def _whole(value: float) -> str:
    return f"{value:.0f}"


def _number(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "n/a"


def _price(value: float, decimals: int) -> str:
    return number_format.calculated(value, decimals) if np.isfinite(value) else "n/a"
