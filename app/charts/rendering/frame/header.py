"""The head of a chart: title, timeframe and covered dates, then the legend."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from app.charts.rendering.canvas.text import cap_height, fit, width
from app.charts.rendering.frame.legend import LegendEntry, draw_row, flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.charts.domain import ChartSpec
    from app.charts.rendering.canvas.base import Canvas
    from app.charts.rendering.plotting.sizes import Sizes
    from app.charts.rendering.plotting.theme import Theme

_MIN_HEADER_HEIGHT: Final = 110
_LEGEND_ROWS: Final = (_MIN_HEADER_HEIGHT, 260, 480)  # one row more from each height on
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
    rows: tuple[tuple[LegendEntry, ...], ...]
    height: int
    warnings: tuple[str, ...] = ()


def plan_header(
    spec: ChartSpec,
    sizes: Sizes,
    quote: Sequence[LegendEntry],
    lines: Sequence[LegendEntry],
    covered: str,
    timeframe: tuple[str, str] | None = None,
) -> Header:
    """The head that fits the picture: small pictures have fewer legend rows, very small ones none at all.

    `quote` are the last bar's numbers, the close fourth: where they do not fit in the rows, those before it give way.
    `timeframe` is that of the spec's bars and that of the bars drawn; without it both are the spec's.
    """
    title, aside = _names(spec, *(timeframe or (spec.timeframe, spec.timeframe)))
    height = sizes.height / sizes.unit
    if height < _MIN_HEADER_HEIGHT:
        names = [name for name, there in (("title", title), ("timeframe", aside), ("dates", covered)) if there]
        return Header("", "", "", (), sizes.px(6), _no_room([*names, *_item_names((*quote, *lines))]))
    max_rows = bisect_right(_LEGEND_ROWS, height)
    room = sizes.width - 2 * sizes.px(_MARGIN)
    dropped: Sequence[LegendEntry] = ()
    if len(flow(quote, room, sizes, len(quote))[0]) > max_rows:
        dropped, quote = quote[:_CLOSE], quote[_CLOSE:]
    rows, rest = flow([*quote, *lines], room, sizes, max_rows)
    titled = sizes.px(_TITLE_ROW) if title or aside else 0
    taken = sizes.px(8) + titled + sizes.px(_ROW) * len(rows) + sizes.px(4)
    line = _title_line(title, aside, covered if titled else "", room, sizes)
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


def _title_line(title: str, aside: str, covered: str, room: int, sizes: Sizes) -> _TitleLine:
    """The title gives way to the timeframe beside it, the covered dates to both."""
    reserved = sizes.px(8) + width(aside, sizes.label) if aside else 0
    kept_aside = aside if reserved <= room / 2 else ""
    shown = fit(title, sizes.title, room - (reserved if kept_aside else 0))
    end = width(shown, sizes.title) + (reserved if kept_aside else 0)
    kept_covered = covered if end + sizes.px(16) + width(covered, sizes.label) <= room else ""
    parts = (("title", title, shown), ("timeframe", aside, kept_aside), ("dates", covered, kept_covered))
    return _TitleLine(shown, kept_aside, kept_covered, tuple(name for name, text, kept in parts if text and not kept))


def _item_names(items: Sequence[LegendEntry]) -> list[str]:
    """What each legend entry is; one that is a number alone is the change."""
    named = [item.spans[0][0] if len(item.spans) > 1 else "change" for item in items]
    return [_NAMES.get(name, name) for name in named]


def _no_room(names: Sequence[str]) -> tuple[str, ...]:
    return (f"there is no room in the header for: {'; '.join(names)}",) if names else ()


def draw_header(canvas: Canvas, header: Header, sizes: Sizes, theme: Theme) -> None:
    """Title left, covered dates right, legend rows below."""
    left, right = sizes.px(_MARGIN), sizes.width - sizes.px(_MARGIN)
    y = sizes.px(8)
    if header.title or header.aside:
        baseline = y + (sizes.px(_TITLE_ROW) - sizes.px(4) + cap_height(sizes.title)) // 2
        canvas.text(left, baseline, header.title, sizes.title, theme.text)
        end = left + width(header.title, sizes.title) + sizes.px(8)
        canvas.text(end, baseline, header.aside, sizes.label, theme.muted)
        canvas.text(right, baseline, header.covered, sizes.label, theme.muted, "right")
        y += sizes.px(_TITLE_ROW)
    for row in header.rows:
        draw_row(canvas, row, left, y + sizes.px(_ROW) / 2, sizes, theme)
        y += sizes.px(_ROW)
