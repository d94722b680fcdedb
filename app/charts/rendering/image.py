"""What the engine gives back: the bytes of a picture and what is to be said about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.charts.domain import ImageFormat


@dataclass(frozen=True, slots=True)
class Image:
    """A drawn chart. `width` and `height` are real pixels: the spec's size times its scale.

    `degraded` marks the plain placeholder that stands in while matplotlib or Pillow cannot be imported.
    """

    data: bytes
    format: ImageFormat
    width: int
    height: int
    warnings: tuple[str, ...]
    alt: str
    degraded: bool = False
