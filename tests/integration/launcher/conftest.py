"""Checkouts to start things in: one in which everything has been started once, and a copy of it for each test."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from config import ROOT
from tests.integration.launcher.checkouts import Checkout

PARTS = ("app", "worker", "migrations", "examples", "launcher", "ops")
FILES = ("config.py", "wsgi.py", "Procfile", "run")
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-proxy.txt")


def copy_project(root: Path) -> Checkout:
    """The project with nothing made by earlier runs."""
    root.mkdir()
    for name in PARTS:
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (*FILES, *LOCKS):
        shutil.copy2(ROOT / name, root / name)
    return Checkout(root)


@pytest.fixture(scope="session")
def first_start(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Checkout, subprocess.CompletedProcess[str]]]:
    """A new checkout after its first ./run --once, and what that said. Its packages are those the tests run with."""
    made = copy_project(tmp_path_factory.mktemp("first") / "signalbox")
    (made.root / ".venv").symlink_to(ROOT / ".venv")
    done = made.once()
    yield made, done
    made.clear()


@pytest.fixture
def checkout(first_start: tuple[Checkout, subprocess.CompletedProcess[str]], tmp_path: Path) -> Iterator[Checkout]:
    """A checkout that has run before: migrated, with the sample bars."""
    original, done = first_start
    assert done.returncode == 0, done.stderr
    made = Checkout(tmp_path / "signalbox")
    shutil.copytree(original.root, made.root, symlinks=True)
    yield made
    made.clear()


@pytest.fixture
def new_checkout(tmp_path: Path) -> Checkout:
    """A checkout without an environment, in which nothing has ever run."""
    return copy_project(tmp_path / "new")
