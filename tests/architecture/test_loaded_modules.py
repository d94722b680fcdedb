"""Modules that each process loads. Import contracts do not see the imports of parent packages."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from config import ROOT

HEAVY = {"matplotlib", "numpy", "pandas", "PIL"}
FLASK = {"flask", "flask_smorest", "flask_migrate"}

PROCESSES = [
    ("wsgi", HEAVY | {"worker", "obstore"}),
    ("worker.celery_app, worker.tasks", FLASK | {"pandas", "obstore"}),
    (
        "app.charts.rendering.engine",
        FLASK | {"celery", "sqlalchemy", "redis", "marshmallow", "pandas", "prometheus_client"},
    ),
    ("app.signals.domain, app.charts.domain, app.market.domain", HEAVY | FLASK | {"celery", "sqlalchemy", "redis"}),
    ("app.signals.queries, app.market.service, app.charts.service", HEAVY | FLASK | {"celery", "redis"}),
]


def loaded_by(modules: str) -> set[str]:
    code = (
        f"import {modules}\nimport json, sys\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert child.returncode == 0, child.stderr.decode()
    return set(json.loads(child.stdout.splitlines()[-1]))


@pytest.mark.parametrize(("modules", "forbidden"), PROCESSES, ids=[modules for modules, _ in PROCESSES])
def test_a_process_loads_no_forbidden_module(modules: str, forbidden: set[str]) -> None:
    assert loaded_by(modules) & forbidden == set()


def test_a_forbidden_module_would_be_found() -> None:
    assert loaded_by("app.market.csv_files") & HEAVY == {"numpy", "pandas"}
