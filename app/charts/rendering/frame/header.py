"""The header of a chart: title, timeframe and date range, with the legend below."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from app.charts.domain import ChartSpec
from app.charts.rendering.canvas.base import Canvas
from app.charts.rendering.canvas.text import cap_height, fit, width
from app.charts.rendering.frame.legend import LegendEntry, draw_row, flow
from app.charts.rendering.plotting.sizes import Sizes
from app.charts.rendering.plotting.theme import Theme

_MIN_HEADER_HEIGHT: Final = 110
_LEGEND_ROWS: Final = (_MIN_HEADER_HEIGHT, 260, 480)  # one row more from each height on
_CLOSE_INDEX: Final = 3
_ROW: Final = 16
_TITLE_ROW: Final = 24
_MARGIN: Final = 12
_ENTRY_NAMES: Final = {"O": "open", "H": "high", "L": "low", "C": "close", "n": "number of values"}
_TIMEFRAME: Final = re.compile(r"([1-9]\d{0,5})([mhdw])")
_MINUTES: Final = {"m": 1, "h": 60, "d": 1_440, "w": 10_080}
_MINUTE_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Header:
    """Title line and legend rows as far as they fit, and warnings about cut and missing parts.

    `height` is in pixels from the top of the image.
    """

    title: str
    timeframe: str
    dates: str
    rows: tuple[tuple[LegendEntry, ...], ...]
    height: int
    warnings: tuple[str, ...] = ()


def plan_header(
    spec: ChartSpec,
    sizes: Sizes,
    quote: Sequence[LegendEntry],
    lines: Sequence[LegendEntry],
    dates: str,
    timeframes: tuple[str, str] | None = None,
) -> Header:
    """Lay out the header. Small images have fewer legend rows; the smallest have none.

    `quote` are the last bar's open, high, low and close: where they do not fit, the first three are left out. `lines`
    are the entries of overlays. `timeframes` are those of the spec's bars and of the drawn bars (default: the spec's).
    """
    title, timeframe = _title_and_timeframe(spec, *(timeframes or (spec.timeframe, spec.timeframe)))
    height = sizes.height / sizes.unit
    if height < _MIN_HEADER_HEIGHT:
        names = [name for name, text in (("title", title), ("timeframe", timeframe), ("dates", dates)) if text]
        return Header("", "", "", (), sizes.px(6), _header_warnings([*names, *_item_names((*quote, *lines))]))
    max_rows = bisect_right(_LEGEND_ROWS, height)
    max_width = sizes.width - 2 * sizes.px(_MARGIN)
    dropped: Sequence[LegendEntry] = ()
    if len(flow(quote, max_width, sizes, len(quote))[0]) > max_rows:
        dropped, quote = quote[:_CLOSE_INDEX], quote[_CLOSE_INDEX:]
    rows, rest = flow([*quote, *lines], max_width, sizes, max_rows)
    title_height = sizes.px(_TITLE_ROW) if title or timeframe else 0
    used = sizes.px(8) + title_height + sizes.px(_ROW) * len(rows) + sizes.px(4)
    line = _title_line(title, timeframe, dates if title_height else "", max_width, sizes)
    warnings = [f'the title is cut to "{line.title}"'] if line.title not in ("", title) else []
    warnings += _header_warnings([*line.left_out, *_item_names((*dropped, *rest))])
    return Header(line.title, line.timeframe, line.dates, rows, used, tuple(warnings))


def timeframe_pair(spec: ChartSpec, bar_ms: int, factor: int) -> tuple[str, str]:
    """The timeframe of the spec's bars and that of the drawn bars, which have `factor` bars each: 1h and 4h.

    Without a timeframe in the spec, the distance of the bars gives it. 60 minutes become an hour; 24 hours do not
    become a day, nor 7 days a week, because the day and the week of an exchange are shorter.
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


def _title_and_timeframe(spec: ChartSpec, own: str, drawn: str) -> tuple[str, str]:
    """Title and timeframe. A title that has the timeframe gets that of the drawn bars, and no second one beside it."""
    title = spec.title or spec.instrument
    words = title.split(" ")
    if own and own in words:
        return " ".join(drawn if word == own else word for word in words), ""
    return title, drawn if spec.timeframe else ""


class _TitleLine(NamedTuple):
    title: str
    timeframe: str
    dates: str
    left_out: tuple[str, ...]


def _title_line(title: str, timeframe: str, dates: str, max_width: int, sizes: Sizes) -> _TitleLine:
    """The title line within `max_width` pixels: the dates are left out first, then the title is cut."""
    reserved = sizes.px(8) + width(timeframe, sizes.label) if timeframe else 0
    shown_timeframe = timeframe if reserved <= max_width / 2 else ""
    shown_title = fit(title, sizes.title, max_width - (reserved if shown_timeframe else 0))
    end = width(shown_title, sizes.title) + (reserved if shown_timeframe else 0)
    shown_dates = dates if end + sizes.px(16) + width(dates, sizes.label) <= max_width else ""
    parts = (("title", title, shown_title), ("timeframe", timeframe, shown_timeframe), ("dates", dates, shown_dates))
    left_out = tuple(name for name, text, shown in parts if text and not shown)
    return _TitleLine(shown_title, shown_timeframe, shown_dates, left_out)


def _item_names(items: Sequence[LegendEntry]) -> list[str]:
    """The name of each legend entry. An entry that is a number alone is the change."""
    named = [item.spans[0][0] if len(item.spans) > 1 else "change" for item in items]
    return [_ENTRY_NAMES.get(name, name) for name in named]


def _header_warnings(names: Sequence[str]) -> tuple[str, ...]:
    return (f"there is no room in the header for: {'; '.join(names)}",) if names else ()


def draw_header(canvas: Canvas, header: Header, sizes: Sizes, theme: Theme) -> None:
    """Draw the title at the left, the dates at the right, and the legend rows below."""
    left, right = sizes.px(_MARGIN), sizes.width - sizes.px(_MARGIN)
    y = sizes.px(8)
    if header.title or header.timeframe:
        baseline = y + (sizes.px(_TITLE_ROW) - sizes.px(4) + cap_height(sizes.title)) // 2
        canvas.text(left, baseline, header.title, sizes.title, theme.text)
        end = left + width(header.title, sizes.title) + sizes.px(8)
        canvas.text(end, baseline, header.timeframe, sizes.label, theme.muted)
        canvas.text(right, baseline, header.dates, sizes.label, theme.muted, "right")
        y += sizes.px(_TITLE_ROW)
    for row in header.rows:
        draw_row(canvas, row, left, y + sizes.px(_ROW) / 2, sizes, theme)
        y += sizes.px(_ROW)
