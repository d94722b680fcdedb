"""The gallery and the golden images as a developer renews them."""

from __future__ import annotations

from click.testing import CliRunner, Result
from PIL import Image

from app.charts.api.schemas import OVERLAYS, PANELS
from tools.gallery import GOLDEN, load_samples, main
from tools.gallery_specs import pictures


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_the_gallery_shows_every_type_theme_overlay_panel_and_annotation():
    drawn = [picture.spec for picture in pictures(load_samples())]
    assert {spec.type for spec in drawn} >= {
        *("candlestick", "ohlc", "line", "area", "heikin_ashi", "renko", "equity", "histogram"),
    }
    assert {spec.theme for spec in drawn} == {"light", "dark", "colorblind"}
    assert {overlay.kind for spec in drawn for overlay in spec.overlays} == OVERLAYS.keys()
    assert {panel.kind for spec in drawn for panel in spec.panels} == PANELS.keys()
    marks = {mark.kind for spec in drawn for mark in spec.annotations}
    assert marks == {"signal", "order", "hline", "vline", "zone"}


def test_the_gallery_is_written_as_a_sheet_and_as_a_page(tmp_path):
    sheet = tmp_path / "sheet.png"
    result = run("-o", sheet, "--write", "--folder", tmp_path)
    assert result.exit_code == 0, result.output
    with Image.open(sheet) as image:
        assert min(image.size) > 2000
    page = (tmp_path / "gallery.md").read_text()
    images = sorted((tmp_path / "gallery").glob("*.png"))
    assert len(images) > 20
    assert all(f"(gallery/{image.name})" in page for image in images)


def test_the_gallery_needs_somewhere_to_go():
    result = run()
    assert result.exit_code == 2
    assert "--write" in result.stderr


def test_golden_images_are_renewed_and_what_changed_is_said(tmp_path):
    first = run("--golden", "--golden-folder", tmp_path)
    assert first.exit_code == 0, first.output
    names = {path.name for path in tmp_path.glob("*.png")}
    assert names == {path.name for path in GOLDEN.glob("*.png")}
    assert all(line.endswith(": new") for line in first.stdout.splitlines())
    (tmp_path / "full.png").write_bytes(b"")
    second = run("--golden", "--golden-folder", tmp_path).stdout.splitlines()
    assert sorted(line.rsplit(": ")[1] for line in second) == ["changed", *["same"] * (len(names) - 1)]
