"""The folder of Matplotlib is created if it can be. Read-only root: tests/integration/test_read_only_root.py."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from app.shared import matplotlib_folder


def test_a_folder_that_is_missing_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "deep" / "matplotlib"
    monkeypatch.setenv("MPLCONFIGDIR", str(folder))
    matplotlib_folder.require()
    assert folder.is_dir()


def test_a_temporary_folder_can_take_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", "/proc/nowhere/matplotlib")
    assert Path(tempfile.gettempdir()).is_dir()
    matplotlib_folder.require()


def test_without_the_variable_nothing_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLCONFIGDIR", raising=False)
    matplotlib_folder.require()
