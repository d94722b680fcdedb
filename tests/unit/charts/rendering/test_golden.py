"""Charts equal their golden images. After an intended change: `python -m tools.gallery --golden`, then look at them."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops

from app.charts.rendering import engine
from app.market.csv_files import read_bars
from tools.gallery_specs import SAMPLES, golden_pictures

ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests" / "golden"
PICTURES = golden_pictures({name: read_bars(ROOT / "examples" / "data" / f"{name}_1d.csv") for name in SAMPLES})

# Another release of the rasteriser or the fonts moves edges by a shade; anything that has moved is far above this.
VISIBLE = 48
TOLERANCE = 0.004


def golden_image(slug: str) -> Image.Image:
    return Image.open(BytesIO((GOLDEN / f"{slug}.png").read_bytes()))


def share_that_differs(one: Image.Image, other: Image.Image) -> float:
    """Fraction of the pixels in which a colour differs visibly."""
    difference = np.asarray(ImageChops.difference(one.convert("RGB"), other.convert("RGB")))
    return float((difference.max(axis=2) > VISIBLE).mean())


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.slug)
def test_a_chart_looks_like_its_golden_image(picture):
    drawn = Image.open(BytesIO(engine.render(picture.spec).data))
    golden = golden_image(picture.slug)
    assert drawn.size == golden.size
    assert share_that_differs(drawn, golden) <= TOLERANCE


def test_a_chart_moved_by_one_pixel_would_not_pass():
    golden = golden_image("candlestick")
    assert share_that_differs(golden, ImageChops.offset(golden, 1, 0)) > TOLERANCE


def test_every_golden_image_is_compared():
    assert {path.stem for path in GOLDEN.glob("*.png")} == {picture.slug for picture in PICTURES}
