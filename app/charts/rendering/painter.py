"""Draws a spec: chooses the chart type, the canvas and the encoder. Imports matplotlib and Pillow."""

from __future__ import annotations

from typing import Final

from app.charts.domain import ChartSpec
from app.charts.rendering.canvas import png, webp
from app.charts.rendering.canvas.fallback_text import missing
from app.charts.rendering.canvas.raster import RasterCanvas
from app.charts.rendering.canvas.svg import SvgCanvas
from app.charts.rendering.canvas.text import use_fonts
from app.charts.rendering.charts.alt_text import price_alt
from app.charts.rendering.charts.equity import draw_equity_chart, equity_alt, plan_equity
from app.charts.rendering.charts.histogram import draw_histogram, histogram_alt, plan_histogram
from app.charts.rendering.charts.omissions import not_drawn
from app.charts.rendering.charts.price import annotation_warnings, draw_price_chart, price_warnings
from app.charts.rendering.charts.price_plan import plan_price
from app.charts.rendering.image import Image
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme, color_warnings

__all__ = ["paint", "use_fonts"]

_MAX_NAMES: Final = 10


def paint(spec: ChartSpec) -> Image:
    """Draw the spec. Raises RenderError for a value that cannot be drawn."""
    if spec.type == "equity":
        return _paint_equity(spec)
    if spec.type == "histogram":
        return _paint_histogram(spec)
    plan = plan_price(spec)
    canvas = _canvas(spec, plan.sizes, plan.theme)
    draw_price_chart(canvas, plan)
    alt = price_alt(plan, annotation_warnings(plan))
    if missing_parts := not_drawn(plan):
        alt += f" Not drawn: {'; '.join(missing_parts)}."
    return _finished(spec, canvas, price_warnings(plan), alt)


def _paint_equity(spec: ChartSpec) -> Image:
    plan = plan_equity(spec)
    canvas = _canvas(spec, plan.sizes, plan.theme)
    draw_equity_chart(canvas, plan)
    return _finished(spec, canvas, list(plan.header.warnings), equity_alt(plan))


def _paint_histogram(spec: ChartSpec) -> Image:
    plan = plan_histogram(spec)
    canvas = _canvas(spec, plan.sizes, plan.theme)
    draw_histogram(canvas, plan)
    return _finished(spec, canvas, [*plan.warnings, *plan.header.warnings], histogram_alt(plan))


def _canvas(spec: ChartSpec, sizes: Sizes, theme: Theme) -> RasterCanvas | SvgCanvas:
    kind = SvgCanvas if spec.format == "svg" else RasterCanvas
    return kind(sizes.width, sizes.height, theme.background)


def _finished(spec: ChartSpec, canvas: RasterCanvas | SvgCanvas, warnings: list[str], alt: str) -> Image:
    if isinstance(canvas, SvgCanvas):
        data = canvas.encode(alt)
    else:
        data = (webp if spec.format == "webp" else png).encode(canvas.pixels)
        canvas.close()
    no_room = [f"there is no room for {name}" for name in dict.fromkeys(canvas.left_out)]
    all_warnings = (*warnings, *no_room, *color_warnings(spec), *_missing_glyphs(spec))
    return Image(data, spec.format, spec.width * spec.scale, spec.height * spec.scale, all_warnings, alt)


def _missing_glyphs(spec: ChartSpec) -> tuple[str, ...]:
    if spec.format == "svg":
        return ()
    labels = (getattr(annotation, "label", "") for annotation in spec.annotations)
    characters = missing((spec.title, spec.instrument, spec.timeframe, *labels))
    if not characters:
        return ()
    names = ", ".join(f"{char} (U+{ord(char):04X})" for char in characters[:_MAX_NAMES])
    more = f" and {len(characters) - _MAX_NAMES} more" if len(characters) > _MAX_NAMES else ""
    return (
        f"there is no font for {number_format.count_text(len(characters), 'character')} of the texts: {names}{more}",
    )
