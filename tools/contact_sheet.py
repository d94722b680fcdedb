"""The contact sheet: many charts in one command, to be looked at before a change of the engine is kept.

    python -m tools.contact_sheet var/sheet [--only WORD]

Writes every case of `contact_cases` and `contact_live_cases` as a PNG of its full size, pages with all of them side by
side (sheet-1.png, ...), and notes.txt with what the engine says about each: size, time, alternative text and warnings.
The fonts are those of CHARTS_FONT_DIRS, as in the service.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from time import perf_counter
from typing import Final

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from app.charts.rendering import engine
from app.charts.rendering.image import Image
from config import Settings
from tools.contact_cases import CASES, Case
from tools.contact_live_cases import LIVE_CASES, LivePicture

TILE: Final = (480, 270)
COLUMNS, ROWS = 4, 5
GAP, CAPTION = 16, 22
SURROUND, INK = "#c9cdd6", "#131722"

ALL_CASES: Final[tuple[Case | LivePicture, ...]] = (*CASES, *LIVE_CASES)

Drawn = tuple[Case | LivePicture, Image]


def draw(cases: Sequence[Case | LivePicture], folder: Path) -> list[Drawn]:
    """Draw the cases into the folder, with their notes."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn, notes = [], []
    for case in cases:
        spec = case.spec()
        started = perf_counter()
        image = engine.render(spec)
        spent = 1000 * (perf_counter() - started)
        (folder / f"{case.name}.png").write_bytes(image.data)
        drawn.append((case, image))
        notes.append(f"{case.name}  {image.width}x{image.height}  {spent:.0f} ms  {len(image.data) / 1000:.0f} kB")
        notes.append(f"    {image.alt}")
        notes += [f"    warning: {warning}" for warning in image.warnings]
    (folder / "notes.txt").write_text("\n".join(notes) + "\n", encoding="utf-8")
    return drawn


def pages(drawn: Sequence[Drawn]) -> Iterator[Pillow.Image]:
    """The pictures as tiles with their names, COLUMNS by ROWS a page."""
    for start in range(0, len(drawn), COLUMNS * ROWS):
        yield _page(drawn[start : start + COLUMNS * ROWS])


def _page(drawn: Sequence[Drawn]) -> Pillow.Image:
    across, down = TILE[0] + GAP, TILE[1] + CAPTION + GAP
    page = Pillow.new("RGB", (COLUMNS * across + GAP, -(-len(drawn) // COLUMNS) * down + GAP), SURROUND)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(CAPTION * 0.6)
    for place, (case, image) in enumerate(drawn):
        tile = Pillow.open(BytesIO(image.data)).convert("RGB")
        tile.thumbnail(TILE, Pillow.Resampling.LANCZOS)
        row, column = divmod(place, COLUMNS)
        left, top = GAP + column * across, GAP + row * down
        pen.text((left, top + CAPTION / 2), case.name, INK, font, anchor="lm")
        page.paste(tile, (left, top + CAPTION))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", metavar="WORD", help="draw the cases whose name holds this word")
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
