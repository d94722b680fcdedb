"""The engine in processes of its own: equal bytes, missing libraries, and loaded modules."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from app.charts.rendering import engine
from app.charts.rendering.version import ENGINE_VERSION
from tests.unit.charts.rendering.chart_builders import a_spec

ROOT = Path(__file__).resolve().parents[4]
DRAW = """
from tests.unit.charts.rendering.chart_builders import a_spec
from app.charts.domain import Bollinger, RsiPanel, SignalMark, VolumeProfile
from app.charts.rendering import engine
import hashlib
"""
FULL = (
    "a_spec(format={format!r}, overlays=(Bollinger(5), VolumeProfile(9)), panels=(RsiPanel(5),), title='Été 中 مرحبا',"
    " annotations=(SignalMark('buy', 1704067200000, None, 'In'),))"
)


def in_a_child(code, *, hash_seed="0"):
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


@pytest.mark.parametrize("image_format", ["png", "webp", "svg"])
def test_one_spec_gives_the_same_bytes_in_two_processes(image_format):
    code = f"{DRAW}\nprint(hashlib.sha256(engine.render({FULL.format(format=image_format)}).data).hexdigest())"
    assert in_a_child(code, hash_seed="1") == in_a_child(code, hash_seed="2")


def test_earlier_pictures_leave_no_trace_in_later_ones():
    code = f"{DRAW}\nprint(hashlib.sha256(engine.render(a_spec()).data).hexdigest())"
    for theme in ("dark", "colorblind"):
        engine.render(a_spec(theme=theme, title="Something else", width=801, scale=2))
    assert hashlib.sha256(engine.render(a_spec()).data).hexdigest() == in_a_child(code)


@pytest.mark.parametrize("hidden", ["matplotlib", "PIL"])
def test_without_its_libraries_the_engine_returns_a_placeholder_marked_as_degraded(hidden, tmp_path):
    target = tmp_path / "placeholder.png"
    code = f"""
import sys
sys.modules[{hidden!r}] = None
from pathlib import Path
from app.charts.domain import ChartSpec
from app.charts.rendering import engine
from app.market.domain import Bars
image = engine.render(ChartSpec("line", Bars((1,), (1.0,), (1.0,), (1.0,), (1.0,)), width=321, height=123, scale=2))
Path({str(target)!r}).write_bytes(image.data)
engine.warm_up()
print(image.degraded, image.format, image.width, image.height, len(image.warnings))
"""
    assert in_a_child(code) == "True png 642 246 1"
    picture = Image.open(BytesIO(target.read_bytes()))
    picture.load()
    assert picture.size == (642, 246)


def test_a_missing_module_of_the_engine_is_an_error_and_gives_no_placeholder():
    code = """
import sys
sys.modules["app.charts.rendering.layers.panels"] = None
try:
    import app.charts.rendering.engine
except ImportError as error:
    print(error.name)
"""
    assert in_a_child(code) == "app.charts.rendering.layers.panels"


def test_the_version_is_known_without_loading_anything_that_draws():
    code = """
import sys
from app.charts.rendering.version import ENGINE_VERSION
print(ENGINE_VERSION, [name for name in ("matplotlib", "numpy", "PIL") if name in sys.modules])
"""
    assert in_a_child(code) == f"{ENGINE_VERSION} []"


def test_the_engine_loads_no_pandas_no_web_framework_and_no_pyplot():
    code = """
import sys
from app.charts.rendering import engine
engine.warm_up()
unwanted = ("pandas", "flask", "sqlalchemy", "celery", "redis", "matplotlib.pyplot")
print([name for name in unwanted if name in sys.modules])
"""
    assert in_a_child(code) == "[]"


def test_without_zlib_ng_pictures_are_written_with_the_standard_library():
    code = """
import sys
sys.modules["zlib_ng"] = None
from tests.unit.charts.rendering.chart_builders import a_spec, opened
from app.charts.rendering import engine
print(opened(engine.render(a_spec())).size, "zlib_ng" in sys.modules and sys.modules["zlib_ng"] is None)
"""
    assert in_a_child(code) == "(640, 400) True"


def test_many_pictures_do_not_fill_the_memory():
    code = """
import os
from dataclasses import replace
import psutil
from tests.unit.charts.rendering.chart_builders import a_spec, some_bars
from app.charts.rendering import engine
def draw(count):
    for number in range(count):
        engine.render(a_spec(data=some_bars(30 + number % 50), title=f"Picture {number}"))
draw(60)
before = psutil.Process(os.getpid()).memory_info().rss
draw(200)
print((psutil.Process(os.getpid()).memory_info().rss - before) // 1_000_000)
"""
    assert int(in_a_child(code)) < 5
