"""Failpoints end a process where they are armed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.shared import failpoints
from config import ROOT

PASSAGES = """
from app.shared import failpoints
failpoints.arm({text!r})
for about in ("first", "second", "third"):
    failpoints.reach("mid_render", about)
    failpoints.reach("after_commit", about)
    print(about, flush=True)
"""


def passages(text: str) -> tuple[int, list[str]]:
    """The exit status of a process with this failpoint armed, and the passages that it completed."""
    command = [sys.executable, "-c", PASSAGES.format(text=text)]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return child.returncode, child.stdout.split()


def test_unarmed_points_do_nothing() -> None:
    assert passages("") == (0, ["first", "second", "third"])


@pytest.mark.parametrize(
    ("text", "survived"),
    [
        ("mid_render", []),
        ("mid_render/3", ["first", "second"]),
        ("mid_render:second", ["first"]),
        ("after_commit:ir/2", ["first", "second"]),
        ("after_rename", ["first", "second", "third"]),
    ],
)
def test_an_armed_point_ends_the_process_as_sigkill_would(text: str, survived: list[str]) -> None:
    status = 0 if len(survived) == 3 else failpoints.KILLED
    assert passages(text) == (status, survived)


@pytest.mark.parametrize("text", ["nowhere", "mid_render/0", "/3", ":x"])
def test_a_point_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="FAILPOINT"):
        failpoints.arm(text)
