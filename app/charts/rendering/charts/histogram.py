"""The histogram: counts of values in bins of equal width, with lines at the mean and the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.charts.domain import ChartSpec, Sample
from app.charts.rendering.canvas.base import Box, Canvas, Floats
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.text import cap_height, width
from app.charts.rendering.charts.alt_text import chart_name
from app.charts.rendering.errors import RenderError
from app.charts.rendering.frame import axes, layout
from app.charts.rendering.frame.header import Header, draw_header, plan_header
from app.charts.rendering.frame.layout import Rows
from app.charts.rendering.frame.legend import LegendEntry
from app.charts.rendering.frame.value_ticks import axis_ticks, nice_step, value_ticks
from app.charts.rendering.plotting import number_format
from app.charts.rendering.plotting.price_data import checked_values
from app.charts.rendering.plotting.scales import ValueScale, value_scale, widened
from app.charts.rendering.plotting.sizes import Sizes, sizes_of
from app.charts.rendering.plotting.theme import Theme, theme_of

_MAX_BINS: Final = 200
_MIN_BINS: Final = 5
_BIN_PIXELS: Final = 5
_FLAT_REACH: Final = 0.01
_ROUNDING_FACTOR: Final = 0.7  # nice_step rounds up to 1, 2 or 5: with this factor widths are right on average


@dataclass(frozen=True, slots=True)
class HistogramPlan:
    """A histogram before it is drawn.

    `edges` has one value more than `counts`: bin i reaches from edges[i] to edges[i + 1]. `x` maps values to pixel
    columns, `y` counts to pixel rows.
    """

    spec: ChartSpec
    theme: Theme
    sizes: Sizes
    values: Floats
    edges: Floats
    counts: NDArray[np.intp]
    header: Header
    rows: Rows
    box: Box
    x: ValueScale
    y: ValueScale
    warnings: tuple[str, ...]

    @property
    def mean(self) -> float:
        """Arithmetic mean."""
        return float(self.values.mean())

    @property
    def median(self) -> float:
        """Median."""
        return float(np.median(self.values))


def _decimals(values: Floats, spec: ChartSpec) -> int:
    """Decimals for statistics of the values: four significant digits of their standard deviation."""
    if spec.precision is not None:
        return spec.precision
    return number_format.decimals_for(float(values.std()) or float(np.abs(values).max()))


def plan_histogram(spec: ChartSpec) -> HistogramPlan:
    """Lay out the chart. Raises RenderError for a value that cannot be drawn."""
    theme, sizes = theme_of(spec), sizes_of(spec)
    values, warnings = _values(spec)
    edges = _edges(values, spec.bins, min(_MAX_BINS, sizes.width // sizes.px(_BIN_PIXELS)))
    counts = np.histogram(values, edges)[0]
    header = plan_header(spec, sizes, (), _legend(values, theme, _decimals(values, spec)), "")
    rows = layout.rows(sizes, header.height, ())
    top, bottom = rows.plots[0]
    box = Box(sizes.px(12), top, sizes.width, bottom)
    y = value_scale(0.0, float(counts.max()), box, above=sizes.px(24), below=0)
    right = sizes.width - layout.axis_width(sizes, [number_format.compact(tick) for tick in _count_ticks(y, sizes)])
    box = box._replace(right=max(right, box.left + 1))
    # A ValueScale maps its lower end to `bottom`: here the left edge, with the right edge as `top`.
    x = ValueScale(float(edges[0]), float(edges[-1]), box.right, box.left)
    return HistogramPlan(spec, theme, sizes, values, edges, counts, header, rows, box, x, y, warnings)


def _values(spec: ChartSpec) -> tuple[Floats, tuple[str, ...]]:
    if not isinstance(spec.data, Sample):
        raise RenderError("/data", "a histogram needs values")
    values = np.array(spec.data.values, np.float64)
    present = ~np.isnan(values)
    if not present.any():
        raise RenderError("/data/values", "there are no values")
    finite = checked_values("values", np.where(present, values, 0.0))[present]
    missing = len(values) - len(finite)
    return finite, (f"{missing} of {len(values)} values are missing and not counted",) if missing else ()


def _edges(values: Floats, bins: int | None, max_bins: int) -> Floats:
    """Bin edges, rising: `bins` bins of equal width, or without `bins` at round values.

    The width of round bins follows the rule of Freedman and Diaconis (1981), 2 IQR / n^(1/3), or the rule of Sturges
    (1926) where the interquartile range is 0.
    """
    ends = float(values.min()), float(values.max())
    low, high = widened(*ends, _FLAT_REACH)
    if bins is not None or (low, high) != ends:
        return np.linspace(low, high, (bins or _MIN_BINS) + 1)
    spread, count = float(np.subtract(*np.percentile(values, (75, 25)))), len(values)
    bin_width = 2 * spread / count ** (1 / 3) or (high - low) / (np.log2(count) + 1)
    step = nice_step(min(max(bin_width * _ROUNDING_FACTOR, (high - low) / max_bins), (high - low) / _MIN_BINS))
    first, last = np.floor(low / step), np.floor(high / step) + 1
    return np.arange(first, last + 1) * step


def _legend(values: Floats, theme: Theme, decimals: int) -> list[LegendEntry]:
    mean, median, deviation = number_format.uniform(
        [float(values.mean()), float(np.median(values)), float(values.std())], decimals
    )
    facts = (
        ("n", f"{len(values):,}", theme.text),
        ("Mean", mean, theme.lines[1]),
        ("Median", median, theme.lines[2]),
        ("Deviation", deviation, theme.text),
    )
    return [LegendEntry(((name, theme.muted), (text, color))) for name, text, color in facts]


def _count_ticks(scale: ValueScale, sizes: Sizes) -> list[float]:
    return axis_ticks(scale, sizes.px(42), 1, exact=True)


def draw_histogram(canvas: Canvas, plan: HistogramPlan) -> None:
    """Draw from back to front: grid, bins, mean and median, axes, header."""
    sizes, theme, box = plan.sizes, plan.theme, plan.box
    hairline = sizes.hairline
    counts = _count_ticks(plan.y, sizes)
    for count in counts:
        top = round(plan.y.at(count))
        canvas.box(Box(box.left, top, box.right, top + hairline).clipped(box), theme.grid)
    _draw_bins(canvas, plan)
    _draw_centres(canvas, plan)
    axes.draw_separators(canvas, plan.rows, sizes, theme)
    _draw_labels(canvas, plan, counts)
    draw_header(canvas, plan.header, sizes, theme)


def _draw_bins(canvas: Canvas, plan: HistogramPlan) -> None:
    edges = np.round(plan.x.y(plan.edges)).astype(np.int64)
    gap = plan.sizes.hairline if (np.diff(edges) > 3 * plan.sizes.hairline).all() else 0
    left, right = edges[:-1], np.maximum(edges[1:] - gap, edges[:-1] + 1)
    top = np.round(plan.y.y(plan.counts.astype(np.float64))).astype(np.int64)
    top = np.where(plan.counts > 0, np.minimum(top, plan.box.bottom - plan.sizes.hairline), plan.box.bottom)
    bottom = np.full(len(top), plan.box.bottom)
    for part, color in _sides(plan):
        canvas.bars(left[part], top[part], right[part], bottom[part], color)


def _sides(plan: HistogramPlan) -> list[tuple[NDArray[np.bool_], Rgba]]:
    """Bins and their colours: those below zero falling, those above rising; one colour where zero is at no bin."""
    middles = (plan.edges[:-1] + plan.edges[1:]) / 2
    theme = plan.theme
    if plan.edges[0] < 0 < plan.edges[-1]:
        pairs = [(middles < 0, theme.down), (middles >= 0, theme.up)]
    else:
        pairs = [(np.ones(len(middles), np.bool_), theme.accent)]
    return [(part, theme.faint(color, 0.72)) for part, color in pairs]


def _draw_centres(canvas: Canvas, plan: HistogramPlan) -> None:
    """Draw lines at mean and median with their names at the top, on the sides that face away from each other."""
    sizes, theme, box = plan.sizes, plan.theme, plan.box
    hairline = sizes.hairline
    left, right = sorted(((plan.mean, "Mean", theme.lines[1]), (plan.median, "Median", theme.lines[2])))
    height, gap = cap_height(sizes.label), sizes.px(5)
    top = box.top + sizes.px(3)
    for (value, name, color), before in ((left, True), (right, False)):
        x, needed = int(plan.x.at(value)), width(name, sizes.label) + gap
        thick = sizes.px(1.5)
        ends = np.full(2, x + thick / 2), np.array([top, box.bottom], np.float64)
        canvas.line(*ends, theme.background, thick + 2 * hairline, box)
        canvas.line(*ends, color, thick, box, (sizes.px(4), sizes.px(3)))
        fits_left, fits_right = x - needed >= box.left, x + needed <= box.right
        to_left = fits_left and (before or not fits_right)
        # A name that does not fit on its own side would overlap the other name, so it is written a row below.
        row = int(to_left != before)
        edge = x - gap if to_left else x + gap
        baseline = top + height + row * (height + gap)
        canvas.text(edge, baseline, name, sizes.label, theme.text_in(color), "right" if to_left else "left")


def _draw_labels(canvas: Canvas, plan: HistogramPlan, counts: list[float]) -> None:
    sizes, theme, box = plan.sizes, plan.theme, plan.box
    height = cap_height(sizes.label)
    if sizes.width - box.right > sizes.px(8):
        for count in axes.whole_labels(plan.y, counts, box, sizes):
            baseline = round(plan.y.at(count) + height / 2)
            canvas.text(box.right + sizes.px(7), baseline, number_format.compact(count), sizes.label, theme.muted)
    if plan.rows.axis_top + height + sizes.px(7) > sizes.height:
        return
    baseline = plan.rows.axis_top + sizes.px(7) + height
    for value, text in _value_labels(plan):
        half = width(text, sizes.label) / 2
        x = min(max(plan.x.at(value), half + sizes.px(4)), sizes.width - half - sizes.px(4))
        canvas.text(x, baseline, text, sizes.label, theme.muted, "center")


def _value_labels(plan: HistogramPlan) -> list[tuple[float, str]]:
    """Round values along the axis with their texts, spaced by the widest text."""
    sizes = plan.sizes
    across = ValueScale(plan.x.low, plan.x.high, 0, plan.box.width)
    gap = sizes.px(64)
    powers = any(
        "e" in text for text in number_format.uniform([plan.mean, plan.median], _decimals(plan.values, plan.spec))
    )
    while True:
        ticks = value_ticks(across, gap)
        texts = [*map(number_format.axis_formatter(ticks, 0, powers=powers), ticks)]
        widest = max((width(text, sizes.label) for text in texts), default=0) + sizes.px(16)
        if gap >= widest:
            return [*zip(ticks, texts, strict=True)]
        gap = widest


def histogram_alt(plan: HistogramPlan) -> str:
    """The alternative text: count, range, mean and median."""
    decimals = _decimals(plan.values, plan.spec)
    low, high, mean, median = number_format.uniform(
        [float(plan.values.min()), float(plan.values.max()), plan.mean, plan.median], decimals
    )
    values, bins = (
        number_format.count_text(len(plan.values), "value"),
        number_format.count_text(len(plan.counts), "bin"),
    )
    parts = [
        f"Histogram of {values} in {bins}",
        f"from {low} to {high}",
        f"mean {mean}, median {median}",
    ]
    name = chart_name(plan.spec)
    return (f"{name}: " if name else "") + ", ".join(parts) + "."
