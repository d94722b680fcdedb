"""Alpha blending on the pixels of an image, in integer arithmetic on 32-bit words of one pixel each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.charts.rendering.canvas.base import Box
from app.charts.rendering.canvas.color import Rgba

Words = NDArray[np.uint32]

FULL: Final = 256
"""Full opacity."""
_MAX_WASH_OPACITY: Final = 0.5  # of overlapping boxes: the chart below them must stay visible
_PAIR: Final = np.uint32(0x00FF00FF)
_MAX_PAIRWISE_BOXES: Final = 8
_BLOCK_PIXELS: Final = 1 << 16  # as many as stay in the processor's cache


@lru_cache(maxsize=256)
def word(color: Rgba) -> np.uint32:
    """The colour as one opaque pixel of the buffer, whatever the machine's byte order."""
    pixel: np.uint32 = np.array((*color[:3], 255), np.uint8).view(np.uint32)[0]
    return pixel


def blend(words: Words, paint: Words | np.uint32, opacity: Words | np.uint32) -> None:
    """Blend `paint` (opaque pixels) onto `words`, shape (rows, columns), in place.

    `opacity` is in 256ths. Both are one value for all pixels, or have one per column or per pixel.
    """
    rows = max(1, _BLOCK_PIXELS // max(words.shape[1], 1))
    for top in range(0, len(words), rows):
        part = slice(top, top + rows)
        _blend(words[part], _rows_of(paint, part), _rows_of(opacity, part))


def disjoint_strips(
    boxes: Sequence[tuple[Box, Rgba]], whole: Box
) -> Iterator[tuple[Box, Words | np.uint32, Words | np.uint32]]:
    """Divide translucent rectangles into strips that do not overlap, each with its paint and its opacity in 256ths.

    Where rectangles overlap, the opacity is the combined one, at most a half, and the colour is the mean. Paint and
    opacity are one value for the strip, or have one per column.
    """
    if len(boxes) <= _MAX_PAIRWISE_BOXES and not any(
        one.overlaps(other) for (one, _), (other, _) in combinations(boxes, 2)
    ):
        for box, color in boxes:
            yield box.clipped(whole), word(color), np.uint32(round(color.alpha * FULL))
        return
    edges = np.array([box.clipped(whole) for box, _ in boxes], np.int64).reshape(-1, 4)
    colors = [color for _, color in boxes]
    palette = [*dict.fromkeys(colors)]
    color_numbers = np.array([palette.index(color) for color in colors], np.int64)
    left, right = int(edges[:, 0].min(initial=whole.right)), int(edges[:, 2].max(initial=whole.left))
    for top, bottom in pairwise(np.unique(edges[:, [1, 3]]).tolist()):
        inside = (edges[:, 1] <= top) & (edges[:, 3] >= bottom)
        if inside.any() and right > left:
            counts = [_counts(edges[inside & (color_numbers == number)], left, right) for number in range(len(palette))]
            yield Box(left, top, right, bottom), *_mixed(palette, np.array(counts))


def _counts(edges: NDArray[np.int64], left: int, right: int) -> NDArray[np.int64]:
    """The number of rectangles that cover each column from `left` to `right`."""
    size = right - left + 1
    changes = np.bincount(edges[:, 0] - left, minlength=size) - np.bincount(edges[:, 2] - left, minlength=size)
    return np.cumsum(changes)[:-1]


def _mixed(palette: Sequence[Rgba], counts: NDArray[np.int64]) -> tuple[Words, Words]:
    """Paint and opacity of each column; `counts`, shape (colours, columns), has its layers of each palette colour."""
    alphas = np.array([color.alpha for color in palette])
    opacity = np.minimum(1 - np.prod((1 - alphas)[:, np.newaxis] ** counts, axis=0), max(_MAX_WASH_OPACITY, *alphas))
    weights = counts * alphas[:, np.newaxis]
    channels = np.array([color[:3] for color in palette], np.float64)
    pixels = np.full((counts.shape[1], 4), 255, np.uint8)
    pixels[:, :3] = np.rint(weights.T @ channels / np.maximum(weights.sum(axis=0), 1e-9)[:, np.newaxis])
    return pixels.view(np.uint32)[:, 0], np.rint(opacity * FULL).astype(np.uint32)


def _rows_of(values: Words | np.uint32, part: slice) -> Words | np.uint32:
    return values[part] if isinstance(values, np.ndarray) and values.ndim > 1 else values


def _blend(words: Words, paint: Words | np.uint32, opacity: Words | np.uint32) -> None:
    rest = np.uint32(FULL) - opacity
    even, odd = words & _PAIR, words >> 8
    odd &= _PAIR
    even *= rest
    odd *= rest
    even += (paint & _PAIR) * opacity
    odd += (paint >> 8 & _PAIR) * opacity
    even >>= 8
    even &= _PAIR
    odd &= ~_PAIR
    np.bitwise_or(even, odd, out=words)
