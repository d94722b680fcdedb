"""The faces of the fonts in CHARTS_FONT_DIRS, their characters, and the choice of a face for a character.

`use_folders` sets the folders once per process, before the first image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.font_manager import FontPath
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray

from app.charts.rendering.canvas.font_files import font_files
from app.charts.rendering.canvas.fonts import font_path

# Words in the names of families that look less like DejaVu Sans.
_SYMBOLS: Final = frozenset({"emoji", "symbols", "symbols2", "symbola", "math", "music"})
_WEIGHTS: Final = frozenset({"thin", "extralight", "light", "medium", "semibold", "extrabold", "black"})
_WIDTHS: Final = frozenset({"condensed", "semicondensed", "extracondensed"})
_STYLES: Final = frozenset({"serif", "mono", "ui", "kufi", "nastaliq", "naskh", "rashi", "looped", "display", "color"})
_UNLIKE: Final = _WEIGHTS | _WIDTHS | _STYLES
_folders: list[Path] = []


class Face(NamedTuple):
    """One face of a font file. `family` and `style` are its own names."""

    path: str
    number: int
    family: str
    style: str

    @property
    def source(self) -> FontPath:
        """The face as matplotlib opens it."""
        return FontPath(self.path, self.number)

    @property
    def bold(self) -> bool:
        """Whether its strokes are heavy."""
        return "bold" in self.style.lower().split()


def use_folders(folders: Sequence[Path]) -> list[str]:
    """Use the fonts of these folders in this process. Returns the files that cannot be read as scalable fonts."""
    _folders[:] = folders
    for cached in (_read, _ranked, _face_for):
        cached.cache_clear()
    return list(_read()[1])


def face_for(char: str, region: str = "SC", *, bold: bool = False) -> Face | None:
    """The face for a character: DejaVu Sans if it has the character, None if no face has it.

    Chinese characters look different in China, Taiwan, Japan and Korea: `region` (SC, TC, JP, KR) chooses among
    families whose names end with it.
    """
    return _face_for(char, region, bold)


@lru_cache(maxsize=8192)
def _face_for(char: str, region: str, bold: bool) -> Face | None:
    return next((face for face in _ranked(region, bold) if _has(face, ord(char))), None)


@lru_cache(maxsize=16)
def _ranked(region: str, bold: bool) -> tuple[Face, ...]:
    """DejaVu, then the folders' faces by similarity to it, then matplotlib's symbol font."""
    faces = sorted(_read()[0], key=lambda face: (*_rank(face, region), face.bold != bold, face.family, face.path))
    own = Face(font_path(bold=bold), 0, "DejaVu Sans", "Bold" if bold else "Book")
    symbols = Face(str(Path(mpl.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf")), 0, "STIXGeneral", "Regular")
    return own, *faces, symbols


def _rank(face: Face, region: str) -> tuple[int, str, bool]:
    words = face.family.lower().split()
    kind = 2 if _UNLIKE.intersection(words) else 1 if _SYMBOLS.intersection(words) else 0
    base, _, last = face.family.rpartition(" ")
    regional = len(last) == len(region) and last.isupper()
    return kind, base if regional else face.family, regional and last != region


@lru_cache(maxsize=1)
def _read() -> tuple[tuple[Face, ...], tuple[str, ...]]:
    """The upright scalable faces of all files, and the files that could not be read."""
    faces: list[Face] = []
    unreadable: list[str] = []
    for path in font_files(_folders):
        try:
            opened = [FT2Font(str(path))]
            opened += [FT2Font(str(path), face_index=index) for index in range(1, opened[0].num_faces)]
        except (OSError, RuntimeError):
            opened = []
        scalable = [face for face in opened if face.scalable]
        if not scalable:
            unreadable.append(str(path))
        faces += [
            Face(str(path), face.face_index, face.family_name, face.style_name)
            for face in scalable
            if not {"italic", "oblique"}.intersection(face.style_name.lower().split())
        ]
    return tuple(faces), tuple(unreadable)


def _has(face: Face, code: int) -> bool:
    codes = _characters(face.path, face.number)
    place = int(np.searchsorted(codes, code))
    return place < len(codes) and int(codes[place]) == code


@lru_cache(maxsize=4096)
def _characters(path: str, index: int) -> NDArray[np.uint32]:
    """The code points of a face, rising. A set of Python integers would take 20 times the memory."""
    codes = FT2Font(path, face_index=index).get_charmap()
    return np.sort(np.fromiter(codes, np.uint32, len(codes)))
