"""The engine's version, part of every chart's id. The web process imports it, so it must not import matplotlib."""

from __future__ import annotations

from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from app.charts.rendering.canvas.font_files import fonts_digest

ENGINE_NUMBER: Final = "2"
FONT_ID: Final = "dejavu-2.37"


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"


ENGINE_VERSION: Final = "/".join(
    (
        f"signalbox-{ENGINE_NUMBER}",
        f"matplotlib-{_installed('matplotlib')}",
        f"pillow-{_installed('pillow')}",
        f"zlib_ng-{_installed('zlib-ng')}",
        FONT_ID,
    )
)


@lru_cache(maxsize=8)
def engine_version(font_folders: tuple[Path, ...] = ()) -> str:
    """The engine's version with a digest of the fonts in the folders.

    The result is cached for the life of the process: restart web and worker processes after adding fonts.
    """
    fonts = fonts_digest(font_folders)
    return f"{ENGINE_VERSION}+{fonts}" if fonts else ENGINE_VERSION
