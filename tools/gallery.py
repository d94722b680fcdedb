"""Writes the gallery (docs/gallery.md with its images) and the golden images that tests compare charts with.

python -m tools.gallery -o sheet.png     all pictures as tiles of one image
python -m tools.gallery --write          renews docs/gallery.md and the images in docs/gallery
python -m tools.gallery --golden         renews the golden images: look at each changed image before you commit it
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Final

import click

from app.charts.rendering import engine
from app.charts.rendering.image import Image
from app.market.csv_files import read_bars
from app.market.domain import Bars
from config import ROOT
from tools.gallery_specs import SAMPLES, GalleryPicture, golden_pictures, pictures
from tools.tiles import tile_sheet

SAMPLE_FOLDER: Final = ROOT / "examples" / "data"
DOCS: Final = ROOT / "docs"
GOLDEN: Final = ROOT / "tests" / "golden"

_TILE: Final = (640, 360)
_SHEET_COLUMNS: Final = 4


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write all pictures as tiles of this PNG file")
@click.option("--write", is_flag=True, help="Renew gallery.md and the images in gallery/")
@click.option("--folder", type=click.Path(path_type=Path), default=DOCS, show_default="docs", help="Where --write goes")
@click.option("--golden", is_flag=True, help="Renew the golden images")
@click.option("--golden-folder", type=click.Path(path_type=Path), default=GOLDEN, show_default="tests/golden")
def main(output: Path | None, folder: Path, golden_folder: Path, *, write: bool, golden: bool) -> None:
    """Draw every type, theme, overlay and panel on real bars, and live signals on random walks."""
    if output is None and not write and not golden:
        raise click.UsageError("give a file with -o, or --write, or --golden")
    samples = load_samples()
    if golden:
        write_golden(golden_folder, samples)
    if output is None and not write:
        return
    drawn = [(picture, _draw(picture)) for picture in pictures(samples)]
    if output is not None:
        sheet = BytesIO()
        captioned = [(picture.caption, image.data) for picture, image in drawn]
        tile_sheet(captioned, _TILE, _SHEET_COLUMNS).save(sheet, "PNG")
        _write(output, sheet.getvalue())
        click.echo(f"{output}: {len(drawn)} charts")
    if write:
        for picture, image in drawn:
            _write(folder / "gallery" / f"{picture.slug}.png", image.data)
        _write(folder / "gallery.md", page(drawn).encode())
        click.echo(f"{folder / 'gallery.md'}: {len(drawn)} charts")


def load_samples() -> dict[str, Bars]:
    """The daily bars of `examples/data` that the gallery uses, by name."""
    return {name: read_bars(SAMPLE_FOLDER / f"{name}_1d.csv") for name in SAMPLES}


def write_golden(folder: Path, samples: dict[str, Bars]) -> None:
    """Write the golden images. Prints for each whether it is new, the same or changed."""
    for picture in golden_pictures(samples):
        path = folder / f"{picture.slug}.png"
        before = path.read_bytes() if path.exists() else None
        image = _draw(picture)
        _write(path, image.data)
        click.echo(f"{path}: {'new' if before is None else 'same' if before == image.data else 'changed'}")


def page(drawn: list[tuple[GalleryPicture, Image]]) -> str:
    """The Markdown of docs/gallery.md: the images by section, with captions and alternative texts."""
    lines = ["# Gallery", "", "What the chart engine draws: live signals on made-up bars, the rest on `examples/data`."]
    lines += ["`python -m tools.gallery --write` renews this page.", ""]
    section = ""
    for picture, image in drawn:
        if picture.section != section:
            section = picture.section
            lines += [f"## {section}", ""]
        alt = image.alt.replace("[", "(").replace("]", ")")
        lines += [f"**{picture.caption}**", "", f"![{alt}](gallery/{picture.slug}.png)", ""]
    return "\n".join(lines)


def _draw(picture: GalleryPicture) -> Image:
    image = engine.render(picture.spec)
    for warning in image.warnings:
        click.echo(f"{picture.slug}: warning: {warning}", err=True)
    if image.degraded:
        raise click.ClickException("matplotlib or Pillow cannot be imported, so no chart can be drawn")
    return image


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    main()
