"""CHARTS_FONT_DIRS on a real web server and a real worker."""

from __future__ import annotations

from dataclasses import replace

import requests

from app.charts.rendering.version import ENGINE_VERSION, engine_version
from config import Settings
from tests import processes
from tests.unit.charts.rendering.font_builder import build_font

A_CHART = {
    "type": "line",
    "title": "\u4e2d\u6587",
    "width": 320,
    "height": 200,
    "data": {name: [1, 2, 3] for name in ("open", "high", "low", "close")} | {"time": [0, 60_000, 120_000]},
}


def test_a_worker_draws_with_the_fonts_of_the_folders_and_warns_of_missing_letters(settings: Settings, tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    build_font(folder / "han.ttf", {"\u4e2d": 1000})
    (folder / "broken.ttf").write_bytes(b"no font")
    settings = replace(settings, charts_font_dirs=(str(folder),), web_concurrency=1, worker_concurrency=1)
    with processes.web(settings, tmp_path) as address, processes.worker(settings, tmp_path) as worker:
        response = requests.post(f"{address}/api/v1/charts", json=A_CHART, headers={"Prefer": "wait=10"}, timeout=15)
        log = worker.log.read_text()
    assert response.json()["status"] == "ready"
    (warning,) = response.json()["warnings"]
    assert "\u6587 (U+6587)" in warning
    assert "\u4e2d" not in warning
    assert "font_unreadable" in log
    assert str(folder / "broken.ttf") in log


def test_the_folders_of_the_settings_are_part_of_the_engine_version(tmp_path):
    build_font(tmp_path / "han.ttf", {"\u4e2d": 1000})
    settings = replace(Settings(), charts_font_dirs=(str(tmp_path),))
    assert engine_version(settings.font_folders).startswith(f"{ENGINE_VERSION}+")
