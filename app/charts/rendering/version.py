"""The engine's version, part of every chart's id. Read by the web process, so nothing that draws is imported here."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

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
