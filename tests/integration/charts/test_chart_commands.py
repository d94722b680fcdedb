"""`flask charts` from the shell: specs and CSV files, images, exit codes and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from app.charts.api.schemas import OVERLAYS, PANELS
from app.charts.commands import charts
from config import ROOT

CSV = ROOT / "examples" / "data" / "aapl_1d.csv"
SMALL = ["--width", "320", "--height", "240"]
BARS = {"time": [0, 60_000], "open": [1, 2], "high": [2, 3], "low": [1, 2], "close": [2, 3], "volume": [5, 6]}


def run(*arguments: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(charts, [str(argument) for argument in arguments], input=stdin)


def image_in(path: Path) -> Image.Image:
    return Image.open(BytesIO(path.read_bytes()))


def a_spec(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "spec.json"
    path.write_text(json.dumps({"type": "candlestick", "width": 200, "height": 100, "data": BARS, **changes}))
    return path


def test_a_spec_file_becomes_an_image(tmp_path):
    out = tmp_path / "out.png"
    result = run("render", a_spec(tmp_path, title="Two bars"), "-o", out)
    assert result.exit_code == 0, result.output
    assert image_in(out).size == (200, 100)
    assert f"{out}: 200x100" in result.stdout
    assert "Two bars" in result.stdout


def test_a_spec_may_come_from_standard_input(tmp_path):
    out = tmp_path / "out.png"
    result = run("render", "-", "-o", out, stdin=a_spec(tmp_path).read_text())
    assert result.exit_code == 0, result.output
    assert image_in(out).format == "PNG"


def test_bars_of_a_csv_file_become_an_image(tmp_path):
    out = tmp_path / "out.png"
    result = run("render", "--csv", CSV, "--type", "renko", "--overlay", "ema:20", "--panel", "rsi", *SMALL, "-o", out)
    assert result.exit_code == 0, result.output
    assert image_in(out).size == (320, 240)
    assert "aapl_1d" in result.stdout
    assert "bricks" in result.stdout


def test_every_style_option_takes_effect(tmp_path):
    out = tmp_path / "out.png"
    overlays = [part for kind in OVERLAYS for part in ("--overlay", kind)]
    panels = [part for kind in PANELS for part in ("--panel", kind)]
    look = ["--theme", "dark", "--scale", 2, "--log", "--timezone", "America/New_York", "--title", "Mine"]
    size = ["--width", 500, "--height", 640, "--bars", 60]
    result = run("render", "--csv", CSV, *overlays, *panels, *look, *size, "-o", out)
    assert result.exit_code == 0, result.output
    image = image_in(out).convert("RGB")
    assert image.size == (1000, 1280)
    corner = image.getpixel((0, 0))
    assert isinstance(corner, tuple)
    assert max(corner) < 64
    assert "Mine" in result.stdout
    assert "60 bars" in result.stdout


def test_the_numbers_of_a_short_form_set_its_fields_in_order(tmp_path):
    out = tmp_path / "out.png"
    usual = ["render", "--csv", CSV, "--bars", 80, *SMALL, "-o", out]
    assert run(*usual, "--panel", "macd").exit_code == 0
    default = out.read_bytes()
    assert run(*usual, "--panel", "macd:12,26,9").exit_code == 0
    assert out.read_bytes() == default
    assert run(*usual, "--panel", "macd:5,26,9").exit_code == 0
    assert out.read_bytes() != default


def test_the_bars_of_a_csv_file_replace_the_data_of_a_spec_and_options_override_it(tmp_path):
    out = tmp_path / "out.png"
    spec = a_spec(tmp_path, data={"instrument": "AAPL", "timeframe": "1d"}, title="From the spec")
    result = run("render", spec, "--csv", CSV, "--bars", 30, "--width", 300, "-o", out)
    assert result.exit_code == 0, result.output
    assert image_in(out).size == (300, 100)
    assert "From the spec" in result.stdout
    assert "30 bars" in result.stdout


def test_the_extension_of_the_output_sets_its_format(tmp_path):
    out = tmp_path / "out.WEBP"
    result = run("render", a_spec(tmp_path, format="png"), "-o", out)
    assert result.exit_code == 0, result.output
    assert image_in(out).format == "WEBP"


def test_warnings_go_to_standard_error(tmp_path):
    result = run("render", "--csv", CSV, "--bars", 10, "--overlay", "sma:50", *SMALL, "-o", tmp_path / "out.png")
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("warning: ")
    assert "warning: " not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a SPEC, or bars with --csv"),
        (["nowhere.json"], "nowhere.json: No such file or directory"),
        (["--csv", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["--csv", CSV, "--type", "pie"], "'pie' is not one of"),
        (["--csv", CSV, "--overlay", "rsi"], "'rsi' is not one of sma, ema"),
        (["--csv", CSV, "--overlay", "sma:1,2"], "sma takes period"),
        (["--csv", CSV, "--overlay", "vwap:1"], "vwap takes no numbers"),
        (["--csv", CSV, "--overlay", "sma:x"], "expected numbers after the colon"),
        (["--csv", CSV, "--overlay", "sma:nan"], "/overlays/0/period"),
        (["--csv", CSV, "--panel", "macd:26,12"], "/panels/0/slow"),
        (["--csv", CSV, "--width", "10"], "/width"),
        (["--csv", CSV, "--timezone", "Mars"], "/timezone"),
        (["--csv", CSV, "--bars", "0"], "--bars"),
    ],
)
def test_invalid_input_is_reported_with_exit_code_2(tmp_path, arguments, message):
    out = tmp_path / "out.png"
    result = run("render", *arguments, "-o", out)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "line 1"),
        ("[]", "not a JSON object"),
        ('{"type": "line", "type": "ohlc"}', "stands twice"),
        ('{"type": "line"}', "/data: "),
        ('{"type": "line", "data": {"instrument": "X", "timeframe": "1d"}}', "/data: refers to stored bars"),
        (json.dumps({"type": "line", "data": {**BARS, "time": [2, 1]}}), "/data/time/1"),
    ],
)
def test_an_invalid_spec_is_refused_with_the_place_of_the_error(tmp_path, text, message):
    spec = tmp_path / "spec.json"
    spec.write_text(text)
    result = run("render", spec, "-o", tmp_path / "out.png")
    assert result.exit_code == 2
    assert message in result.stderr


def test_an_output_that_cannot_be_written_is_exit_code_1(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("render", a_spec(tmp_path), "-o", tmp_path / "file" / "out.png")
    assert result.exit_code == 1
    assert "out.png: Not a directory" in result.stderr


def test_the_commands_run_under_flask_without_a_database(tmp_path):
    out = tmp_path / "out.png"
    command = ["flask", "--app", "wsgi", "charts", "render", str(a_spec(tmp_path)), "-o", str(out)]
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", "REDIS_URL": "redis://127.0.0.1:1/0"}
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert image_in(out).size == (200, 100)
