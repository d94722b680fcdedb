"""Overlays on the price: moving averages, Bollinger bands, VWAP and the volume profile."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from app.charts.domain import Bollinger, MovingAverage, VolumeProfile, Vwap
from app.charts.rendering import indicators, numbers
from app.charts.rendering.errors import RenderError
from app.charts.rendering.legend import Item
from app.charts.rendering.profile import Profile, volume_profile
from app.charts.rendering.studies import Study, draw_study_line, extent, last_known, too_short

if TYPE_CHECKING:
    from app.charts.domain import ChartSpec, Overlay
    from app.charts.rendering.canvas import Floats
    from app.charts.rendering.color import Color
    from app.charts.rendering.plot import Plot
    from app.charts.rendering.price_data import PriceData
    from app.charts.rendering.theme import Theme

_AVERAGES = {"sma": indicators.sma, "ema": indicators.ema, "wma": indicators.wma}
_PROFILE_SHARE = 0.24
_BAND = 0.07


def overlay_studies(spec: ChartSpec, data: PriceData, theme: Theme) -> list[Study]:
    """The spec's overlays, each in a colour of its own that the price line does not have."""
    colors = [color for color in theme.lines if not (data.closes_only and color == theme.accent)]
    return [
        _overlay(overlay, f"/overlays/{index}", spec, data, theme, colors[index % len(colors)])
        for index, overlay in enumerate(spec.overlays)
    ]


def _overlay(overlay: Overlay, pointer: str, spec: ChartSpec, data: PriceData, theme: Theme, color: Color) -> Study:
    if isinstance(overlay, MovingAverage):
        values = data.visible(_AVERAGES[overlay.kind](data.past.close, overlay.period))
        return _line_study(f"{overlay.kind.upper()} {overlay.period}", values, data, theme, color)
    if isinstance(overlay, Bollinger):
        return _bollinger(overlay, data, theme, color)
    if data.full.volume is None:
        raise RenderError(pointer, f"{overlay.kind} needs volume")
    if isinstance(overlay, Vwap):
        return _line_study("VWAP", _vwap(data, spec.timezone), data, theme, color)
    return _profile(overlay, data, data.full.volume, theme, color)


def _vwap(data: PriceData, zone: str) -> Floats:
    """The VWAP from the start of the first visible session; of daily or longer bars, from the first visible bar."""
    bars = data.past if data.bar_ms < indicators.ONE_BAR_A_DAY_MS else data.full
    volume = bars.volume if bars.volume is not None else np.zeros(len(bars))
    return data.visible(indicators.vwap(bars.time, bars.high, bars.low, bars.close, volume, zone))


def _line_study(name: str, values: Floats, data: PriceData, theme: Theme, color: Color) -> Study:
    last = last_known(values)
    low, high = extent(values)
    legend = Item(((name, theme.muted), (_value(last, data), color)), color)
    return Study(legend, low, high, partial(draw_study_line, values=values, color=color), too_short(name, values))


def _bollinger(overlay: Bollinger, data: PriceData, theme: Theme, color: Color) -> Study:
    lower, middle, upper = indicators.bollinger(data.past.close, overlay.period, overlay.multiplier)
    bands = (data.visible(lower), data.visible(middle), data.visible(upper))
    name = f"BB {overlay.period}, {overlay.multiplier:g}"
    lasts = [last_known(band) for band in reversed(bands)]
    pieces = ((name, theme.muted), *((_value(value, data), color) for value in lasts))
    low, high = extent(*bands)
    return Study(
        Item(pieces, color),
        low,
        high,
        partial(_draw_bands, bands=bands, color=color),
        too_short(name, bands[1]),
        partial(_fill_bands, bands=bands, color=color),
    )


def _fill_bands(plot: Plot, bands: tuple[Floats, ...], color: Color) -> None:
    lower, _, upper = (plot.data.sample(band) for band in bands)
    plot.band(upper, lower, color.faded(_BAND))


def _draw_bands(plot: Plot, bands: tuple[Floats, ...], color: Color) -> None:
    lower, middle, upper = (plot.data.sample(band) for band in bands)
    plot.line(upper, color, 1)
    plot.line(lower, color, 1)
    plot.line(middle, color.faded(0.7), 1, (4, 3))


def _profile(overlay: VolumeProfile, data: PriceData, volume: Floats, theme: Theme, color: Color) -> Study:
    profile = volume_profile(data.full.high, data.full.low, volume, overlay.rows)
    middle = (profile.edges[profile.poc_index] + profile.edges[profile.poc_index + 1]) / 2
    pieces = (("Volume profile", theme.muted), ("POC", theme.muted), (_value(float(middle), data), color))
    warning = "" if profile.volumes.any() else "volume profile: all volume is zero"
    draw = partial(_draw_profile, profile=profile, color=color)
    return Study(Item(pieces, color), np.nan, np.nan, warning=warning, back=draw)


def _draw_profile(plot: Plot, profile: Profile, color: Color) -> None:
    """Rows from the left edge, the value area stronger, the point of control as a line through the chart."""
    largest = float(profile.volumes.max())
    if largest <= 0:
        return
    edges = np.round(plot.y.y(np.maximum(profile.edges, np.nextafter(0, 1)) if plot.y.log else profile.edges))
    top, bottom = edges[1:].astype(np.int64), edges[:-1].astype(np.int64)
    gap = np.where(bottom - top > 3 * plot.metrics.hairline, plot.metrics.hairline, 0)
    reach = np.round(profile.volumes / largest * plot.box.width * _PROFILE_SHARE).astype(np.int64)
    rows = np.arange(len(reach))
    inside = (rows >= profile.value_area_low_index) & (rows <= profile.value_area_high_index)
    left = np.full(len(reach), plot.box.left)
    for part, alpha in ((inside, 0.34), (~inside, 0.16)):
        plot.canvas.bars(left[part], top[part] + gap[part], (left + reach)[part], bottom[part], color.faded(alpha))
    middle = (profile.edges[profile.poc_index] + profile.edges[profile.poc_index + 1]) / 2
    plot.level(float(middle), color, (1, 3))


def _value(value: float, data: PriceData) -> str:
    return numbers.price(value, data.decimals) if np.isfinite(value) else "n/a"
