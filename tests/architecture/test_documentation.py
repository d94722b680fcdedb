"""The documentation names files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config import ROOT

PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")), *sorted((ROOT / "ops").rglob("*.md"))]
FILE = re.compile(r"(?<![\w/.<-])((?:[\w.-]+/)*[\w-]+\.(?:py|sh|yml|toml|lua|md))\b")
FOLDERS = ("", "app", "worker", "tests/faults", "benchmarks", "tools", "docs", "docs/adr", "examples", "ops/containers")


def exists(name: str, page: Path) -> bool:
    """Whether a file has this path, or ends with it inside the project's source folders."""
    if any((folder / name).exists() for folder in (page.parent, *(ROOT / each for each in FOLDERS))):
        return True
    return any(
        path.as_posix().endswith(f"/{name}") for folder in ("app", "tests") for path in (ROOT / folder).rglob("*.py")
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    missing = {name for name in FILE.findall(page.read_text()) if not exists(name, page)}
    assert not missing
