"""Draws the contact sheet: charts of every kind, for comparing the engine before and after a change.

    python -m tools.contact_sheet var/sheet [--only WORD]

Writes each case of `contact_cases` and `contact_live_cases` as a PNG of full size, pages with tiles of all of them
(sheet-1.png, ...), and notes.txt with the size, the time, the alternative text and the warnings of each. Uses the fonts
of CHARTS_FONT_DIRS, as the service does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final

from PIL import Image as Pillow

from app.charts.rendering import engine
from app.charts.rendering.image import Image
from config import Settings
from tools.contact_cases import CASES, Case
from tools.contact_live_cases import LIVE_CASES, LivePicture
from tools.tiles import tile_sheet

TILE: Final = (480, 270)
COLUMNS, ROWS = 4, 5

ALL_CASES: Final[tuple[Case | LivePicture, ...]] = (*CASES, *LIVE_CASES)

Drawn = tuple[Case | LivePicture, Image]


def draw(cases: Sequence[Case | LivePicture], folder: Path) -> list[Drawn]:
    """Write a PNG of each case and notes.txt into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn, notes = [], []
    for case in cases:
        spec = case.spec()
        started = perf_counter()
        image = engine.render(spec)
        milliseconds = 1000 * (perf_counter() - started)
        (folder / f"{case.name}.png").write_bytes(image.data)
        drawn.append((case, image))
        notes.append(
            f"{case.name}  {image.width}x{image.height}  {milliseconds:.0f} ms  {len(image.data) / 1000:.0f} kB"
        )
        notes.append(f"    {image.alt}")
        notes += [f"    warning: {warning}" for warning in image.warnings]
    (folder / "notes.txt").write_text("\n".join(notes) + "\n", encoding="utf-8")
    return drawn


def pages(drawn: Sequence[Drawn]) -> Iterator[Pillow.Image]:
    """Sheets of the pictures as tiles with their names, COLUMNS by ROWS a page."""
    images = [(case.name, image.data) for case, image in drawn]
    for start in range(0, len(images), COLUMNS * ROWS):
        yield tile_sheet(images[start : start + COLUMNS * ROWS], TILE, COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="WORD", help="draw the cases whose name has this word in it")
    options = parser.parse_args()
    for path in engine.use_fonts(Settings.from_env().font_folders):
        sys.stderr.write(f"not a scalable font: {path}\n")
    cases = [case for case in ALL_CASES if options.only in case.name]
    drawn = draw(cases, options.folder)
    for number, page in enumerate(pages(drawn), start=1):
        page.save(options.folder / f"sheet-{number}.png")
    sys.stdout.write(f"{options.folder}: {len(drawn)} charts, pages of all, notes.txt\n")


if __name__ == "__main__":
    main()
