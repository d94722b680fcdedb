"""The canvas for PNG and WebP: matplotlib's Agg renderer driven directly, without figures, axes or artists.

Upright rectangles are written directly into Agg's pixels: that is faster than its rasteriser, and edges are sharp.
Lines, slopes and curves go through Agg, text through its mask blender.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.path import Path
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from app.charts.rendering.canvas import dense
from app.charts.rendering.canvas import text as glyphs
from app.charts.rendering.canvas.base import Align, Box, Floats, Font, Pixels, Point
from app.charts.rendering.canvas.blending import (
    FULL,
    blend,
    disjoint_strips,
    word,
)
from app.charts.rendering.canvas.color import Rgba
from app.charts.rendering.canvas.fonts import Mask

_PIXELS_PER_POINT_DPI: Final = 72
_MOVE, _LINE, _CURVE, _CLOSE = Path.MOVETO, Path.LINETO, Path.CURVE3, Path.CLOSEPOLY
_START: Final = {"left": 0.0, "center": 0.5, "right": 1.0}
_BLOCK: Final = 64
_KEPT_PIXELS: Final = 4_000_000
_untyped_renderer: Any = RendererAgg  # matplotlib gives it no types
_kept_renderers: Final[deque[Any]] = deque(maxlen=1)


class RasterCanvas:
    """`width` by `height` real pixels, filled with an opaque background."""

    def __init__(self, width: int, height: int, background: Rgba) -> None:
        self._height = height
        self._renderer = _new_renderer(width, height)
        # Agg's y runs upwards; the canvas's runs down.
        self._flip = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, height], [0.0, 0.0, 1.0]])
        self.pixels: NDArray[np.uint8] = np.asarray(self._renderer.buffer_rgba())
        self._words: NDArray[np.uint32] = self.pixels.view(np.uint32)[..., 0]
        self._words[:] = word(background)
        self.background = background
        self.left_out: list[str] = []

    def close(self) -> None:
        """Release the memory for the next canvas of this size. Do not use this canvas or its pixels afterwards."""
        if self.pixels.size <= 4 * _KEPT_PIXELS:
            _kept_renderers.append(self._renderer)
        del self._renderer, self._words, self.pixels

    def box(self, box: Box, color: Rgba) -> None:
        """Fill one rectangle."""
        left, top, right, bottom = (max(edge, 0) for edge in box)
        _paint(self._words[top:bottom, left:right], color)

    def bars(self, left: Pixels, top: Pixels, right: Pixels, bottom: Pixels, color: Rgba) -> None:
        """Fill many rectangles of one colour."""
        words, paint = self._words, np.asarray(word(color))  # as an array, or NumPy makes one for every rectangle
        rectangles = np.maximum((left, top, right, bottom), 0).T.tolist()
        if color.alpha == 1:
            for x0, y0, x1, y1 in rectangles:
                words[y0:y1, x0:x1] = paint
        else:
            for x0, y0, x1, y1 in rectangles:
                _paint(words[y0:y1, x0:x1], color)

    def line(self, x: Floats, y: Floats, color: Rgba, width: float, clip: Box, dash: tuple[float, ...] = ()) -> None:
        """Stroke a line through the points."""
        x, y = dense.thinned(x, y)
        if dense.is_dense(y, clip):
            # Dashes of a line that fills its columns cannot be seen.
            self._cover(*dense.line_spans(x, y, width, clip.left, clip.right), color, clip)
        else:
            path = Path(np.column_stack((x, y)))
            self._renderer.draw_path(_context(color, self._upright(clip), width, dash), path, self._flip)

    def dashes(self, box: Box, on: int, off: int, color: Rgba) -> None:
        """Fill a box with dashes, one pixel column of all dashes in each step."""
        place = self._words[box.top : box.bottom, box.left : box.right]
        for column in range(on):
            _paint(place[:, column :: on + off], color)

    def area(self, x: Floats, upper: Floats, lower: Floats, color: Rgba, clip: Box) -> None:
        """Fill between two lines over the same x."""
        finite = np.isfinite(upper) & np.isfinite(lower)
        x, upper, lower = x[finite], upper[finite], lower[finite]
        if dense.is_dense(upper, clip) or dense.is_dense(lower, clip):
            self._cover(*dense.area_spans(x, upper, lower, clip.left, clip.right), color, clip)
        elif len(x):
            outline = np.column_stack((np.concatenate((x, x[::-1])), np.concatenate((upper, lower[::-1]))))
            self._fill(Path(outline), color, clip)

    def shade(self, x: Floats, y: Floats, bottom: int, color: Rgba, clip: Box) -> None:
        """Fill from a line down to `bottom`, the colour fading out on the way."""
        left, right = max(math.ceil(x[0] - 0.5), clip.left), min(math.floor(x[-1] + 0.5), clip.right)
        edge = np.interp(np.arange(left, right) + 0.5, x, y)
        top = max(int(edge.min(initial=bottom)), clip.top)
        if right <= left or bottom <= top:
            return
        rows = np.arange(top, bottom)[:, np.newaxis]
        strength = (color.alpha * FULL * (bottom - rows) / (bottom - top)).astype(np.uint32)
        blend(self._words[top:bottom, left:right], word(color), np.where(rows + 0.5 >= edge, strength, np.uint32(0)))

    def shapes(self, polygons: Sequence[Sequence[Point]], color: Rgba, clip: Box) -> None:
        """Fill closed polygons of one colour."""
        points = [point for polygon in polygons for point in (*polygon, polygon[0])]
        codes = [code for polygon in polygons for code in (_MOVE, *(_LINE,) * (len(polygon) - 1), _CLOSE)]
        self._fill(Path(points, codes), color, clip)

    def rounded_box(self, box: Box, radius: float, color: Rgba) -> None:
        """Fill a rectangle with rounded corners."""
        x0, y0, x1, y1 = box
        r = min(radius, box.width / 2, box.height / 2)
        points = [(x0 + r, y0), (x1 - r, y0), (x1, y0), (x1, y0 + r), (x1, y1 - r), (x1, y1), (x1 - r, y1)]
        points += [(x0 + r, y1), (x0, y1), (x0, y1 - r), (x0, y0 + r), (x0, y0), (x0 + r, y0), (x0 + r, y0)]
        self._fill(Path(points, [_MOVE, *(_LINE, _CURVE, _CURVE) * 4, _CLOSE]), color, box)

    def text(
        self, x: float, baseline: float, text: str, font: Font, color: Rgba, align: Align = "left", halo: int = 0
    ) -> None:
        """Write one line of text."""
        mask = glyphs.mask(text, font)
        if mask.coverage.size:
            left = round(x - mask.advance * _START[align])
            if halo:
                self._stamp(glyphs.outline(text, font, halo), left, baseline, self.background)
            self._stamp(mask, left, baseline, color)

    def _stamp(self, mask: Mask, left: int, baseline: float, color: Rgba) -> None:
        bottom = round(baseline) + mask.top + mask.coverage.shape[0]
        agg = self._renderer._renderer  # noqa: SLF001 - where RendererAgg.draw_text itself sends its masks
        agg.draw_text_image(mask.coverage, left + mask.left, bottom, 0, _context(color))

    def translucent_boxes(self, boxes: Sequence[tuple[Box, Rgba]]) -> None:
        """Fill translucent rectangles that may overlap, touching each pixel once."""
        if not boxes:
            return
        height, width = self._words.shape
        for strip, paint, share in disjoint_strips(boxes, Box(0, 0, width, height)):
            blend(self._words[strip.top : strip.bottom, strip.left : strip.right], paint, share)

    def _cover(self, tops: Floats, bottoms: Floats, color: Rgba, clip: Box) -> None:
        """Paint what spans cover, a block of columns at a time: arrays of the whole image would take 100 MB."""
        for left in range(clip.left, clip.right, _BLOCK):
            right = min(left + _BLOCK, clip.right)
            part = slice((left - clip.left) * dense.PARTS, (right - clip.left) * dense.PARTS)
            ends = tops[part], bottoms[part]
            if np.isnan(ends[0]).all():
                continue
            first = max(math.floor(np.nanmin(ends[0])), clip.top)
            last = min(math.ceil(np.nanmax(ends[1])), clip.bottom)
            if last > first:
                share = dense.coverage(*ends, first, last - first)
                strength = (share * (color.alpha * FULL) + 0.5).astype(np.uint32)
                blend(self._words[first:last, left:right], word(color), strength)

    def _fill(self, path: Path, color: Rgba, clip: Box) -> None:
        self._renderer.draw_path(_context(color, self._upright(clip)), path, self._flip, color.unit)

    def _upright(self, box: Box) -> Box:
        """The box in Agg's pixels, with the larger y first."""
        return Box(box.left, self._height - box.bottom, box.right, self._height - box.top)


def _new_renderer(width: int, height: int) -> Any:
    """Agg's renderer of this size: the one of the last closed canvas, or a new one.

    A new one clears its memory before the canvas fills it, and that takes longer than to fill it.
    """
    try:
        renderer = _kept_renderers.pop()
    except IndexError:
        renderer = None
    if renderer is not None and (renderer.width, renderer.height) == (width, height):
        return renderer
    del renderer  # its memory is free for the new one
    return _untyped_renderer(width, height, _PIXELS_PER_POINT_DPI)


def _paint(words: NDArray[np.uint32], color: Rgba) -> None:
    """Fill or blend one colour onto all pixels of an array."""
    if color.alpha == 1:
        words[:] = word(color)
    else:
        blend(words, word(color), np.uint32(round(color.alpha * FULL)))


@lru_cache(maxsize=128)
def _context(
    color: Rgba,
    clip: Box | None = None,
    width: float = 0,
    dash: tuple[float, ...] = (),
) -> GraphicsContextBase:
    """Agg's settings for a stroke, a fill or a text. They are never changed, so equal settings share one object."""
    gc = GraphicsContextBase()
    gc.set_foreground(color.unit, isRGBA=True)
    gc.set_linewidth(width)
    # Agg's own snapping gives up above 1,024 vertices; what must be sharp is on whole pixels before it comes here.
    gc.set_snap(False)
    if dash:
        gc.set_dashes(0, dash)
    if clip is not None:
        gc.set_clip_rectangle(Bbox(((clip.left, clip.top), (clip.right, clip.bottom))))
    return gc
