"""No accepted chart takes more than its share of memory and processor: the most expensive ones, one process each.

The limits are the kernel's: a picture over them ends its process. They are not a measure of speed: ten seconds of
processor are twice what is promised, so that a slow machine passes.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from app.charts.api.schemas import EXAMPLE, load_spec
from app.charts.request import ChartLimits
from app.shared.errors import ValidationFailed
from config import ROOT
from tests.unit.charts.rendering.expensive_specs import requests

REQUESTS = requests()
MEMORY = 700 << 20
SECONDS = 10
DRAW = """
import resource, sys, time
from app.charts.rendering import engine
from app.charts.api.schemas import load_spec
from tests.unit.charts.rendering.expensive_specs import requests
engine.warm_up()
spec = load_spec(requests()[sys.argv[1]]).complete()
memory, seconds = int(sys.argv[2]), int(sys.argv[3])
with open("/proc/self/statm") as sizes:
    mapped = int(sizes.read().split()[0]) * resource.getpagesize()
begun = time.process_time()
resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, mapped + memory))
resource.setrlimit(resource.RLIMIT_CPU, (round(begun) + seconds, round(begun) + seconds))
image = engine.render(spec)
print("drawn", len(image.data), image.width, image.height)
"""
"""Draws one request; the limit on memory is what rendering may map beyond what the warm process had."""


def accepted(name: str) -> bool:
    try:
        load_spec(REQUESTS[name])
    except ValidationFailed:
        return False
    return True


def draw(name: str, memory: int = MEMORY, seconds: int = SECONDS) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", DRAW, name, str(memory), str(seconds)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [name for name in REQUESTS if accepted(name)])
def test_the_most_expensive_charts_stay_within_memory_and_processor(name):
    drawn = draw(name)
    assert re.match(r"drawn \d+ \d+ \d+\n", drawn.stdout), f"exit {drawn.returncode}: {drawn.stderr[-2000:]}"


def test_a_chart_over_the_limits_would_end_its_process():
    assert accepted("equity")
    assert "MemoryError" in draw("equity", memory=20 << 20).stderr
    assert accepted("sparse_bands_webp")
    assert draw("sparse_bands_webp", seconds=0).returncode < 0


@pytest.mark.parametrize(
    ("name", "pointer"),
    [("too_many_bands", "/overlays/9"), ("everything", "/annotations/22"), ("everything_webp", "/overlays/7")],
)
def test_what_would_cost_more_is_refused_with_its_place_and_what_would_fit(name, pointer):
    with pytest.raises(ValidationFailed) as refused:
        load_spec(REQUESTS[name])
    (error,) = refused.value.errors
    assert error.pointer == pointer
    assert "everything before this field would fit" in error.message
    assert re.search(r"all would fit in \d\.\d megapixels instead of 9\.0", error.message)


def test_a_stricter_limit_refuses_the_picture_itself():
    with pytest.raises(ValidationFailed) as refused:
        load_spec(REQUESTS["candlestick"], ChartLimits(max_milliseconds=500))
    (error,) = refused.value.errors
    assert error.pointer == "/width"
    assert re.search(r"all would fit in \d\.\d megapixels", error.message)


def test_an_everyday_chart_is_far_from_the_limit():
    assert load_spec(EXAMPLE, ChartLimits(max_milliseconds=150))
