"""Overlays on the price: moving averages, Bollinger bands, VWAP and the volume profile."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np

from app.charts.domain import Bollinger, ChartSpec, MovingAverage, Overlay, VolumeProfile, Vwap
from app.charts.rendering.analysis import indicators
from app.charts.rendering.analysis.volume_profile import Profile, volume_profile
from app.charts.rendering.canvas.base import Floats
from app.charts.rendering.canvas.color import Rgba, parse
from app.charts.rendering.errors import RenderError
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.layers.studies import (
    Study,
    draw_study_line,
    extent,
    last_finite,
    short_data_warning,
)
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.plot import LINE_WIDTH, Plot
from app.charts.rendering.plotting.price_data import PriceData
from app.charts.rendering.plotting.theme import Theme

_AVERAGES = {"sma": indicators.sma, "ema": indicators.ema, "wma": indicators.wma}
_PROFILE_SHARE = 0.24
_PROFILE_EDGE = 0.4
_BAND_OPACITY = 0.07
_BAND_WIDTH = 1.0


class _Pen(NamedTuple):
    """A line's colour, and its width in design pixels (None: LINE_WIDTH)."""

    color: Rgba
    width: float | None = None


def overlay_studies(spec: ChartSpec, data: PriceData, theme: Theme) -> list[Study]:
    """The spec's overlays, each in the colour that it gives or in the next line colour of the theme."""
    return [
        _overlay(overlay, f"/overlays/{index}", spec, data, theme, _color(overlay, index, theme))
        for index, overlay in enumerate(spec.overlays)
    ]


def _color(overlay: Overlay, index: int, theme: Theme) -> Rgba:
    if overlay.color is None:
        return theme.lines[index % len(theme.lines)]
    try:
        return parse(overlay.color)
    except ValueError as error:
        raise RenderError(f"/overlays/{index}/color", str(error)) from error


def _overlay(overlay: Overlay, pointer: str, spec: ChartSpec, data: PriceData, theme: Theme, color: Rgba) -> Study:
    if isinstance(overlay, MovingAverage):
        values = data.visible(_AVERAGES[overlay.kind](data.past.close, overlay.period))
        return _line_study(f"{overlay.kind.upper()} {overlay.period}", values, data, theme, _Pen(color, overlay.width))
    if isinstance(overlay, Bollinger):
        return _bollinger(overlay, data, theme, color)
    if data.full.volume is None:
        raise RenderError(pointer, f"{overlay.kind} needs bars with volume")
    if isinstance(overlay, Vwap):
        return _line_study("VWAP", _vwap(data, spec.timezone), data, theme, _Pen(color, overlay.width))
    return _profile(overlay, data, spec.y_scale == "log", theme, color)


def _vwap(data: PriceData, zone: str) -> Floats:
    """The VWAP: of intraday bars per session with hidden history, of longer bars from the first visible bar on."""
    bars = data.past if data.bar_ms < indicators.ONE_BAR_A_DAY_MS else data.full
    volume = bars.volume if bars.volume is not None else np.zeros(len(bars))
    return data.visible(indicators.vwap(bars.time, bars.high, bars.low, bars.close, volume, zone))


def _line_study(name: str, values: Floats, data: PriceData, theme: Theme, pen: _Pen) -> Study:
    last = last_finite(values)
    low, high = extent(values)
    legend = LegendEntry(((name, theme.muted), (_value(last, data), pen.color)), pen.color)
    draw = partial(draw_study_line, values=values, color=pen.color, width=pen.width or LINE_WIDTH)
    return Study(legend, low, high, draw, short_data_warning(name, values))


def _bollinger(overlay: Bollinger, data: PriceData, theme: Theme, color: Rgba) -> Study:
    lower, middle, upper = indicators.bollinger(data.past.close, overlay.period, overlay.multiplier)
    bands = (data.visible(lower), data.visible(middle), data.visible(upper))
    name = f"BB {overlay.period}, {overlay.multiplier:g}"
    lasts = [last_finite(band) for band in reversed(bands)]
    spans = ((name, theme.muted), *((_value(value, data), color) for value in lasts))
    low, high = extent(*bands)
    return Study(
        LegendEntry(spans, color),
        low,
        high,
        partial(_draw_bands, bands=bands, color=color, width=overlay.width or _BAND_WIDTH),
        short_data_warning(name, bands[1]),
        partial(_fill_bands, bands=bands, color=color),
    )


def _fill_bands(plot: Plot, bands: tuple[Floats, ...], color: Rgba) -> None:
    lower, _, upper = (plot.data.sample(band) for band in bands)
    plot.band(upper, lower, color.faded(_BAND_OPACITY))


def _draw_bands(plot: Plot, bands: tuple[Floats, ...], color: Rgba, width: float) -> None:
    lower, middle, upper = (plot.data.sample(band) for band in bands)
    plot.line(upper, color, width)
    plot.line(lower, color, width)
    plot.line(middle, plot.theme.faint(color, 0.7), width, (4, 3))


def _profile(overlay: VolumeProfile, data: PriceData, log: bool, theme: Theme, color: Rgba) -> Study:
    volume = np.zeros(len(data.full)) if data.full.volume is None else data.full.volume
    profile = volume_profile(data.full.high, data.full.low, volume, overlay.rows, log=log)
    spans = (("Volume profile", theme.muted), ("POC", theme.muted), (_value(profile.poc, data), color))
    warning = "" if profile.volumes.any() else "volume profile: all volume is zero"
    draw = partial(_draw_profile, profile=profile, color=color)
    return Study(LegendEntry(spans, color), np.nan, np.nan, warning=warning, draw_behind=draw)


def _draw_profile(plot: Plot, profile: Profile, color: Rgba) -> None:
    """Draw rows from the left edge, the value area at higher opacity, and a line at the point of control.

    The rows are translucent, so that candles stay visible on them. A line at their ends has the contrast of a mark.
    """
    largest = float(profile.volumes.max())
    if largest <= 0:
        return
    edges = np.round(plot.y.y(profile.edges))
    top, bottom = edges[1:].astype(np.int64), edges[:-1].astype(np.int64)
    gap = np.where(bottom - top > 3 * plot.sizes.hairline, plot.sizes.hairline, 0)
    reach = np.round(profile.volumes / largest * plot.box.width * _PROFILE_SHARE).astype(np.int64)
    rows = np.arange(len(reach))
    inside = (rows >= profile.value_area_low_index) & (rows <= profile.value_area_high_index)
    left = np.full(len(reach), plot.box.left)
    for part, alpha in ((inside, 0.34), (~inside, 0.16)):
        plot.canvas.bars(left[part], top[part] + gap[part], (left + reach)[part], bottom[part], color.faded(alpha))
    edge = np.minimum(reach, plot.sizes.hairline)
    ends = left + reach
    plot.canvas.bars(ends - edge, top + gap, ends, bottom, plot.theme.faint(color, _PROFILE_EDGE))
    plot.level(profile.poc, color, (1, 3))


def _value(value: float, data: PriceData) -> str:
    return number_format.price(value, data.decimals) if np.isfinite(value) else "n/a"
