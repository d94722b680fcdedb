"""The tables of docs/operations.md name every setting and every metric there is, and none that is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import fields

import pytest

from config import ROOT, Settings

PAGE = ROOT / "docs" / "operations.md"
ROW = re.compile(r"^\| `(\w+)", re.MULTILINE)
LIST_METRICS = """
import json
import app.factory, worker.celery_app, worker.tasks
import prometheus_client
families = {family.name: family.type for family in prometheus_client.REGISTRY.collect()}
print(json.dumps([name + ("_total" if kind == "counter" else "") for name, kind in families.items()]))
"""
NOT_OURS = re.compile(r"(python|process|flask)_.*")


@pytest.fixture(scope="module")
def named() -> list[str]:
    if not PAGE.exists():
        pytest.fail(f"{PAGE} is missing")
    return ROW.findall(PAGE.read_text())


def test_every_setting_has_a_row(named: list[str]) -> None:
    assert {item.name.upper() for item in fields(Settings)} - set(named) == set()


def test_every_row_in_capitals_is_a_setting(named: list[str]) -> None:
    assert {name for name in named if name.isupper()} - {item.name.upper() for item in fields(Settings)} == set()


def test_no_row_stands_twice(named: list[str]) -> None:
    assert sorted(named) == sorted(set(named))


def test_every_metric_has_a_row_and_every_row_a_metric(named: list[str]) -> None:
    child = subprocess.run(
        [sys.executable, "-c", LIST_METRICS], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert child.returncode == 0, child.stderr.decode()
    metrics = {name for name in json.loads(child.stdout.splitlines()[-1]) if not NOT_OURS.fullmatch(name)}
    assert len(metrics) > 8
    assert metrics == {name for name in named if not name.isupper()}
