"""Copies of the project: one in which ./run has run once, and a copy of that one for each test."""

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
    """The project without files of earlier runs."""
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
    """A new checkout after its first `./run --once`, with the result. It uses the packages of the tests."""
    checkout = copy_project(tmp_path_factory.mktemp("first") / "signalbox")
    (checkout.root / ".venv").symlink_to(ROOT / ".venv")
    done = checkout.once()
    yield checkout, done
    checkout.clear()


@pytest.fixture
def checkout(first_start: tuple[Checkout, subprocess.CompletedProcess[str]], tmp_path: Path) -> Iterator[Checkout]:
    """A checkout in which ./run has run: migrated, with the sample bars."""
    original, done = first_start
    assert done.returncode == 0, done.stderr
    checkout = Checkout(tmp_path / "signalbox")
    shutil.copytree(original.root, checkout.root, symlinks=True)
    yield checkout
    checkout.clear()


@pytest.fixture
def new_checkout(tmp_path: Path) -> Checkout:
    """A checkout without .venv, in which nothing has run."""
    return copy_project(tmp_path / "new")
