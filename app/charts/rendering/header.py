"""The head of a chart: title, timeframe and covered dates, then the legend."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.charts.rendering.legend import Item, draw_row, flow
from app.charts.rendering.text import cap_height, fit, width

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import ChartSpec
    from app.charts.rendering.canvas import Canvas
    from app.charts.rendering.metrics import Metrics
    from app.charts.rendering.theme import Theme

_LEAST_HEIGHT: Final = 110
_LEGEND_ROWS: Final = (_LEAST_HEIGHT, 260, 480)  # one row more from each height on
_CLOSE: Final = 3
_ROW: Final = 16
_TITLE_ROW: Final = 24


@dataclass(frozen=True, slots=True)
class Header:
    """Title line and legend rows; `height` in pixels is what they take off the top of the picture."""

    title: str
    aside: str
    covered: str
    rows: tuple[tuple[Item, ...], ...]
    height: int


def header(spec: ChartSpec, metrics: Metrics, quote: Sequence[Item], lines: Sequence[Item], covered: str) -> Header:
    """The head that fits the picture: small pictures have fewer legend rows, very small ones none at all.

    `quote` are the last bar's numbers, the close fourth: where they do not fit in the rows, those before it give way.
    """
    height = metrics.height / metrics.unit
    if height < _LEAST_HEIGHT:
        return Header("", "", "", (), metrics.px(6))
    title = spec.title or spec.instrument
    aside = "" if not spec.timeframe or spec.timeframe in title.split() else spec.timeframe
    most = bisect_right(_LEGEND_ROWS, height)
    room = metrics.width - 2 * metrics.px(12)
    if len(flow(quote, room, metrics, len(quote))) > most:
        quote = quote[_CLOSE:]
    rows = flow([*quote, *lines], room, metrics, most)
    titled = metrics.px(_TITLE_ROW) if title or aside else 0
    taken = metrics.px(8) + titled + metrics.px(_ROW) * len(rows) + metrics.px(4)
    return Header(title, aside, covered, tuple(tuple(row) for row in rows), taken)


def draw_header(canvas: Canvas, head: Header, metrics: Metrics, theme: Theme) -> None:
    """Title left, covered dates right, legend rows below."""
    left, right = metrics.px(12), metrics.width - metrics.px(12)
    y = metrics.px(8)
    if head.title or head.aside:
        baseline = y + (metrics.px(_TITLE_ROW) - metrics.px(4) + cap_height(metrics.title)) // 2
        title = fit(head.title, metrics.title, right - left)
        canvas.text(left, baseline, title, metrics.title, theme.text)
        end = left + width(title, metrics.title) + metrics.px(8)
        if head.aside and end + width(head.aside, metrics.label) <= right:
            canvas.text(end, baseline, head.aside, metrics.label, theme.muted)
            end += width(head.aside, metrics.label)
        if end + metrics.px(16) + width(head.covered, metrics.label) <= right:
            canvas.text(right, baseline, head.covered, metrics.label, theme.muted, "right")
        y += metrics.px(_TITLE_ROW)
    for row in head.rows:
        draw_row(canvas, row, left, y + metrics.px(_ROW) / 2, metrics)
        y += metrics.px(_ROW)
