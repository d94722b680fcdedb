"""The head of a chart: title, timeframe and covered dates, then the legend."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from app.charts.rendering.canvas.text import cap_height, fit, width
from app.charts.rendering.frame.legend import Item, draw_row, flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import ChartSpec
    from app.charts.rendering.canvas.base import Canvas
    from app.charts.rendering.plotting.sizes import Metrics
    from app.charts.rendering.plotting.theme import Theme

_LEAST_HEIGHT: Final = 110
_LEGEND_ROWS: Final = (_LEAST_HEIGHT, 260, 480)  # one row more from each height on
_CLOSE: Final = 3
_ROW: Final = 16
_TITLE_ROW: Final = 24
_MARGIN: Final = 12
_NAMES: Final = {"O": "open", "H": "high", "L": "low", "C": "close", "n": "number of values"}
_TIMEFRAME: Final = re.compile(r"([1-9]\d{0,5})([mhdw])")
_MINUTES: Final = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Header:
    """Title line and legend rows, cut to what fits; `height` in pixels is what they take off the top of the picture.

    `warnings` says what was cut or left out.
    """

    title: str
    aside: str
    covered: str
    rows: tuple[tuple[Item, ...], ...]
    height: int
    warnings: tuple[str, ...] = ()


def header(
    spec: ChartSpec,
    metrics: Metrics,
    quote: Sequence[Item],
    lines: Sequence[Item],
    covered: str,
    timeframe: tuple[str, str] | None = None,
) -> Header:
    """The head that fits the picture: small pictures have fewer legend rows, very small ones none at all.

    `quote` are the last bar's numbers, the close fourth: where they do not fit in the rows, those before it give way.
    `timeframe` is that of the spec's bars and that of the bars drawn; without it both are the spec's.
    """
    title, aside = _names(spec, *(timeframe or (spec.timeframe, spec.timeframe)))
    height = metrics.height / metrics.unit
    if height < _LEAST_HEIGHT:
        names = [name for name, there in (("title", title), ("timeframe", aside), ("dates", covered)) if there]
        return Header("", "", "", (), metrics.px(6), _no_room([*names, *_item_names((*quote, *lines))]))
    max_rows = bisect_right(_LEGEND_ROWS, height)
    room = metrics.width - 2 * metrics.px(_MARGIN)
    dropped: Sequence[Item] = ()
    if len(flow(quote, room, metrics, len(quote))[0]) > max_rows:
        dropped, quote = quote[:_CLOSE], quote[_CLOSE:]
    rows, rest = flow([*quote, *lines], room, metrics, max_rows)
    titled = metrics.px(_TITLE_ROW) if title or aside else 0
    taken = metrics.px(8) + titled + metrics.px(_ROW) * len(rows) + metrics.px(4)
    line = _title_line(title, aside, covered if titled else "", room, metrics)
    warnings = [f'the title is cut to "{line.title}"'] if line.title not in ("", title) else []
    warnings += _no_room([*line.left_out, *_item_names((*dropped, *rest))])
    return Header(line.title, line.aside, line.covered, rows, taken, tuple(warnings))


def timeframes(spec: ChartSpec, bar_ms: int, factor: int) -> tuple[str, str]:
    """The timeframe of the spec's bars and that of the bars drawn, `factor` in one: 1h and 4h.

    Without a timeframe in the spec it is taken from the distance of the bars. Minutes become hours; hours do not become
    days, nor days weeks, as a day or a week of an exchange has fewer of them.
    """
    own = spec.timeframe or _timeframe(bar_ms // _MINUTE_MS)
    match = _TIMEFRAME.fullmatch(own)
    if factor == 1 or not match:
        return own, own
    count, unit = int(match[1]) * factor, match[2]
    if unit == "m" and count % _MINUTES["h"] == 0:
        count, unit = count // _MINUTES["h"], "h"
    return own, f"{count}{unit}"


def _timeframe(minutes: int) -> str:
    unit = next((unit for unit in ("w", "d", "h", "m") if minutes and minutes % _MINUTES[unit] == 0), "")
    return f"{minutes // _MINUTES[unit]}{unit}" if unit else ""


def _names(spec: ChartSpec, own: str, drawn: str) -> tuple[str, str]:
    """Title and timeframe; a timeframe in the title is the one drawn, and is not written twice."""
    title = spec.title or spec.instrument
    words = title.split(" ")
    if own and own in words:
        return " ".join(drawn if word == own else word for word in words), ""
    return title, drawn if spec.timeframe else ""


class _TitleLine(NamedTuple):
    title: str
    aside: str
    covered: str
    left_out: tuple[str, ...]


def _title_line(title: str, aside: str, covered: str, room: int, metrics: Metrics) -> _TitleLine:
    """The title gives way to the timeframe beside it, the covered dates to both."""
    reserved = metrics.px(8) + width(aside, metrics.label) if aside else 0
    kept_aside = aside if reserved <= room / 2 else ""
    shown = fit(title, metrics.title, room - (reserved if kept_aside else 0))
    end = width(shown, metrics.title) + (reserved if kept_aside else 0)
    kept_covered = covered if end + metrics.px(16) + width(covered, metrics.label) <= room else ""
    parts = (("title", title, shown), ("timeframe", aside, kept_aside), ("dates", covered, kept_covered))
    return _TitleLine(shown, kept_aside, kept_covered, tuple(name for name, text, kept in parts if text and not kept))


def _item_names(items: Sequence[Item]) -> list[str]:
    """What each legend entry is; one that is a number alone is the change."""
    named = [item.pieces[0][0] if len(item.pieces) > 1 else "change" for item in items]
    return [_NAMES.get(name, name) for name in named]


def _no_room(names: Sequence[str]) -> tuple[str, ...]:
    return (f"there is no room in the header for: {'; '.join(names)}",) if names else ()


def draw_header(canvas: Canvas, head: Header, metrics: Metrics, theme: Theme) -> None:
    """Title left, covered dates right, legend rows below."""
    left, right = metrics.px(_MARGIN), metrics.width - metrics.px(_MARGIN)
    y = metrics.px(8)
    if head.title or head.aside:
        baseline = y + (metrics.px(_TITLE_ROW) - metrics.px(4) + cap_height(metrics.title)) // 2
        canvas.text(left, baseline, head.title, metrics.title, theme.text)
        end = left + width(head.title, metrics.title) + metrics.px(8)
        canvas.text(end, baseline, head.aside, metrics.label, theme.muted)
        canvas.text(right, baseline, head.covered, metrics.label, theme.muted, "right")
        y += metrics.px(_TITLE_ROW)
    for row in head.rows:
        draw_row(canvas, row, left, y + metrics.px(_ROW) / 2, metrics, theme)
        y += metrics.px(_ROW)
