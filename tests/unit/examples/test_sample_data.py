"""The generated sample bars beside the script that makes them."""

from __future__ import annotations

import runpy
from itertools import pairwise
from pathlib import Path

import pytest

from app.market.csv_files import read_bars

DATA = Path(__file__).resolve().parents[3] / "examples" / "data"
SCRIPT = runpy.run_path(str(DATA / "make_samples.py"))
SAMPLES = SCRIPT["SAMPLES"]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_file_is_what_the_script_makes(sample):
    lines = [",".join(row) for row in SCRIPT["rows"](sample)]
    text = (DATA / "random_walks" / f"{sample.name}.csv").read_text(encoding="utf-8")
    assert text.splitlines() == ["time,open,high,low,close,volume", *lines]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_file_holds_bars_that_the_service_takes(sample):
    bars = read_bars(DATA / "random_walks" / f"{sample.name}.csv")
    assert len(bars) > 400
    assert all(before < after for before, after in pairwise(bars.time))


def test_every_file_is_described():
    page = (DATA / "README.md").read_text(encoding="utf-8")
    for sample in SAMPLES:
        assert f"| `{sample.name}.csv` | {sample.seed} |" in page
    assert {path.stem for path in (DATA / "random_walks").glob("*.csv")} == {sample.name for sample in SAMPLES}
