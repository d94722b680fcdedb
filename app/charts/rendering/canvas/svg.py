"""The canvas for SVG: each call becomes a shape or a text element."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from app.charts.rendering.canvas.base import Align, Box, Floats, Font, Pixels, Point
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.dense import thinned
from app.charts.rendering.canvas.text import width as text_width

_ANCHORS: Final = {"left": "start", "center": "middle", "right": "end"}
# Verdana is cut to nearly the same widths, so a reader without DejaVu sees the same layout.
_FAMILY: Final = "DejaVu Sans, Verdana, Bitstream Vera Sans, sans-serif"


class SvgCanvas:
    """`width` by `height` pixels, filled with an opaque background."""

    def __init__(self, width: int, height: int, background: Rgba) -> None:
        self.width, self.height = width, height
        self.background = background
        self.left_out: list[str] = []
        self._definitions: dict[str, str] = {}
        self._parts = [f'<rect width="{width}" height="{height}" fill="{background.hex}"/>']

    def box(self, box: Box, color: Rgba) -> None:
        """Fill one rectangle."""
        if box.width > 0 and box.height > 0:
            self._path(_rectangle(*box), color, "crispEdges")

    def translucent_boxes(self, boxes: Sequence[tuple[Box, Rgba]]) -> None:
        """Fill translucent rectangles that may overlap."""
        for box, color in boxes:
            self.box(box, color)

    def bars(self, left: Pixels, top: Pixels, right: Pixels, bottom: Pixels, color: Rgba) -> None:
        """Fill many rectangles of one colour."""
        edges = zip(left.tolist(), top.tolist(), right.tolist(), bottom.tolist(), strict=True)
        data = "".join(_rectangle(*bar) for bar in edges if bar[2] > bar[0] and bar[3] > bar[1])
        if data:
            self._path(data, color, "crispEdges")

    def line(self, x: Floats, y: Floats, color: Rgba, width: float, clip: Box, dash: tuple[float, ...] = ()) -> None:
        """Stroke a line through the points."""
        x, y = thinned(x, y)
        finite = np.isfinite(y)
        breaks = np.flatnonzero(np.diff(finite)) + 1
        runs = zip(np.split(x, breaks), np.split(y, breaks), strict=True)
        data = "".join(f"M{_points(xs, ys)}" for xs, ys in runs if np.isfinite(ys[:1]).all() and len(ys))
        if data:
            self._stroke(data, color, width, dash, self._clip(clip))

    def dashes(self, box: Box, on: int, off: int, color: Rgba) -> None:
        """Fill a box with dashes."""
        if box.width > 0 and box.height > 0:
            middle = _number(box.top + box.height / 2)
            self._stroke(f"M{box.left} {middle}L{box.right} {middle}", color, box.height, (on, off))

    def area(self, x: Floats, upper: Floats, lower: Floats, color: Rgba, clip: Box) -> None:
        """Fill between two lines over the same x."""
        finite = np.isfinite(upper) & np.isfinite(lower)
        if finite.any():
            across = np.concatenate((x[finite], x[finite][::-1]))
            down = np.concatenate((upper[finite], lower[finite][::-1]))
            self._path(f"M{_points(across, down)}Z", color, clip=clip)

    def shade(self, x: Floats, y: Floats, bottom: int, color: Rgba, clip: Box) -> None:
        """Fill from a line down to `bottom`, the colour fading out on the way."""
        top = max(int(y.min()), clip.top)
        name = f"g{len(self._definitions)}"
        self._definitions[name] = (
            f'<linearGradient id="{name}" gradientUnits="userSpaceOnUse" x1="0" y1="{top}" x2="0" y2="{bottom}">'
            f'<stop stop-color="{color.hex}" stop-opacity="{_number(color.alpha)}"/>'
            f'<stop offset="1" stop-color="{color.hex}" stop-opacity="0"/></linearGradient>'
        )
        ends = np.concatenate((x, x[-1:], x[:1]))
        data = _points(ends, np.concatenate((y, np.full(2, float(bottom)))))
        self._parts.append(f'<path d="M{data}Z" fill="url(#{name})"{self._clip(clip)}/>')

    def shapes(self, polygons: Sequence[Sequence[Point]], color: Rgba, clip: Box) -> None:
        """Fill closed polygons of one colour."""
        data = "".join(f"M{_points(*np.array(polygon, np.float64).T)}Z" for polygon in polygons)
        self._path(data, color, clip=clip)

    def rounded_box(self, box: Box, radius: float, color: Rgba) -> None:
        """Fill a rectangle with rounded corners."""
        self._parts.append(
            f'<rect x="{box.left}" y="{box.top}" width="{box.width}" height="{box.height}" rx="{_number(radius)}" '
            f'fill="{color.hex}"{_opacity("fill", color)}/>'
        )

    def text(
        self, x: float, baseline: float, text: str, font: Font, color: Rgba, align: Align = "left", halo: int = 0
    ) -> None:
        """Write one line of text."""
        if not text_width(text, font):
            return
        shown = escape(_printable(text))
        weight = ' font-weight="bold"' if font.bold else ""
        anchor = f' text-anchor="{_ANCHORS[align]}"' if align != "left" else ""
        outline = (
            f' stroke="{self.background.hex}" stroke-width="{2 * halo}" stroke-linejoin="round" paint-order="stroke"'
            if halo
            else ""
        )
        self._parts.append(
            f'<text x="{_number(x)}" y="{_number(baseline)}" font-size="{font.size}"{weight}{anchor} '
            f'fill="{color.hex}"{_opacity("fill", color)}{outline}>{shown}</text>'
        )

    def encode(self, alt: str) -> bytes:
        """The document, UTF-8, described by `alt`."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        definitions = f"<defs>{''.join(self._definitions.values())}</defs>" if self._definitions else ""
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label={quoteattr(_printable(alt))}'
        return f'{head} font-family="{_FAMILY}">{definitions}{"".join(self._parts)}</svg>'.encode()

    def _path(self, data: str, color: Rgba, rendering: str = "", clip: Box | None = None) -> None:
        crisp = f' shape-rendering="{rendering}"' if rendering else ""
        clipped = self._clip(clip) if clip is not None else ""
        self._parts.append(f'<path d="{data}" fill="{color.hex}"{_opacity("fill", color)}{crisp}{clipped}/>')

    def _stroke(self, data: str, color: Rgba, width: float, dash: tuple[float, ...], clipped: str = "") -> None:
        pattern = f' stroke-dasharray="{" ".join(_number(part) for part in dash)}"' if dash else ""
        self._parts.append(
            f'<path d="{data}" fill="none" stroke="{color.hex}"{_opacity("stroke", color)} '
            f'stroke-width="{_number(width)}" stroke-linejoin="round"{pattern}{clipped}/>'
        )

    def _clip(self, box: Box) -> str:
        name = "c" + "-".join(str(edge) for edge in box)
        self._definitions.setdefault(name, f'<clipPath id="{name}"><path d="{_rectangle(*box)}"/></clipPath>')
        return f' clip-path="url(#{name})"'


def _rectangle(left: int, top: int, right: int, bottom: int) -> str:
    return f"M{left} {top}h{right - left}v{bottom - top}h{left - right}z"


def _points(x: Iterable[float], y: Iterable[float]) -> str:
    return "L".join(f"{_number(across)} {_number(down)}" for across, down in zip(x, y, strict=True))


def _printable(text: str) -> str:
    """The text with a space for each character that XML forbids or a viewer cannot show."""
    return "".join(char if char.isprintable() else " " for char in text)


def _number(value: float) -> str:
    """At most two decimals: a hundredth of a pixel cannot be seen."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _opacity(kind: str, color: Rgba) -> str:
    return "" if color.alpha == 1 else f' {kind}-opacity="{_number(color.alpha)}"'
