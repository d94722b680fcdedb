"""Font files in the folders of CHARTS_FONT_DIRS, and a digest of them for the engine version.

The web process reads the digest, so nothing that draws is imported here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_SUFFIXES: Final = frozenset({".ttf", ".otf", ".ttc", ".otc"})
_HEAD_BYTES: Final = 4096
_DIGITS: Final = 12


def font_files(folders: Sequence[Path]) -> tuple[Path, ...]:
    """The font files in the folders and below, sorted by path within each folder. A missing folder has none."""
    return tuple(
        path
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in _SUFFIXES and path.is_file()
    )


def fonts_digest(folders: Sequence[Path]) -> str:
    """A digest of the fonts' names, sizes and first 4,096 bytes; empty without fonts.

    An OpenType file begins with the checksums of its tables, so its first bytes differ where anything in it does.
    Where the folders lie does not matter: the web and the worker process may have them at different places.
    """
    digest = hashlib.sha256()
    files = font_files(folders)
    for path in files:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
        digest.update(head)
    return digest.hexdigest()[:_DIGITS] if files else ""
