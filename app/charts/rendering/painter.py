"""From a spec to finished bytes: picks the chart, the canvas and the encoder. Loads everything that draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.charts.rendering import png, webp
from app.charts.rendering.alt_text import price_alt
from app.charts.rendering.equity_chart import draw_equity_chart, equity_alt, plan_equity
from app.charts.rendering.fallback_text import missing
from app.charts.rendering.histogram_chart import draw_histogram, histogram_alt, plan_histogram
from app.charts.rendering.image import Image
from app.charts.rendering.price_chart import draw_price_chart, missing_marks, warnings_of
from app.charts.rendering.price_plan import plan_price
from app.charts.rendering.raster import RasterCanvas
from app.charts.rendering.svg import SvgCanvas

if TYPE_CHECKING:
    from app.charts.domain import ChartSpec
    from app.charts.rendering.metrics import Metrics
    from app.charts.rendering.theme import Theme

_NAMED: Final = 10


def paint(spec: ChartSpec) -> Image:
    """Draw the spec; RenderError for what cannot be drawn."""
    if spec.type == "equity":
        return _paint_equity(spec)
    if spec.type == "histogram":
        return _paint_histogram(spec)
    plan = plan_price(spec)
    canvas = _canvas(spec, plan.metrics, plan.theme)
    draw_price_chart(canvas, plan)
    return _finished(spec, canvas, warnings_of(plan), price_alt(plan, missing_marks(plan)))


def _paint_equity(spec: ChartSpec) -> Image:
    plan = plan_equity(spec)
    canvas = _canvas(spec, plan.metrics, plan.theme)
    draw_equity_chart(canvas, plan)
    return _finished(spec, canvas, [], equity_alt(plan))


def _paint_histogram(spec: ChartSpec) -> Image:
    plan = plan_histogram(spec)
    canvas = _canvas(spec, plan.metrics, plan.theme)
    draw_histogram(canvas, plan)
    return _finished(spec, canvas, list(plan.warnings), histogram_alt(plan))


def _canvas(spec: ChartSpec, metrics: Metrics, theme: Theme) -> RasterCanvas | SvgCanvas:
    kind = SvgCanvas if spec.format == "svg" else RasterCanvas
    return kind(metrics.width, metrics.height, theme.background)


def _finished(spec: ChartSpec, canvas: RasterCanvas | SvgCanvas, warnings: list[str], alt: str) -> Image:
    if isinstance(canvas, SvgCanvas):
        data = canvas.encode(alt)
    else:
        data = (webp if spec.format == "webp" else png).encode(canvas.pixels)
    found = (*warnings, *_missing_glyphs(spec))
    return Image(data, spec.format, spec.width * spec.scale, spec.height * spec.scale, found, alt)


def _missing_glyphs(spec: ChartSpec) -> tuple[str, ...]:
    if spec.format == "svg":
        return ()
    labels = (getattr(annotation, "label", "") for annotation in spec.annotations)
    lacking = missing((spec.title, spec.instrument, spec.timeframe, *labels))
    if not lacking:
        return ()
    more = "\N{HORIZONTAL ELLIPSIS}" if len(lacking) > _NAMED else ""
    return (f"no font on this machine has {len(lacking)} of the characters: {''.join(lacking[:_NAMED])}{more}",)
