"""The engine's result: an encoded image with its warnings and its alternative text."""

from __future__ import annotations

from dataclasses import dataclass

from app.charts.domain import ImageFormat


@dataclass(frozen=True, slots=True)
class Image:
    """A chart as an encoded image. `width` and `height` are in pixels of the image: the spec's size times its scale.

    `warnings` are sentences about parts that are missing or changed, `alt` describes the chart to screen readers.
    `degraded` marks the grey placeholder of a process in which matplotlib or Pillow cannot be imported.
    """

    data: bytes
    format: ImageFormat
    width: int
    height: int
    warnings: tuple[str, ...]
    alt: str
    degraded: bool = False
