"""The .venv that ./run creates. The lock files are empty, so nothing is downloaded."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.integration.launcher.checkouts import ENVIRONMENT, Checkout
from tests.integration.launcher.conftest import LOCKS

pytestmark = pytest.mark.slow


def install(checkout: Checkout, lock: str = "requirements.txt") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "launcher.install", lock],
        cwd=checkout.root,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


def installed(checkout: Checkout) -> set[str]:
    stamp = json.loads((checkout.root / ".venv" / "installed.json").read_text())
    return set(stamp) - {"prefix"}


def lock(checkout: Checkout, text: str) -> None:
    for name in LOCKS:
        (checkout.root / name).write_text(text)


def test_the_environment_is_created_once_and_again_after_the_folder_moved(new_checkout: Checkout):
    lock(new_checkout, "# nothing\n")
    pip = new_checkout.root / ".venv" / "bin" / "pip"
    assert install(new_checkout, "requirements-dev.txt").stdout.startswith("creating .venv\n")
    made = pip.stat().st_ino
    assert install(new_checkout).stdout == ""  # the development packages hold all others
    assert install(new_checkout, "requirements-proxy.txt").stdout == ""
    assert pip.stat().st_ino == made

    lock(new_checkout, "# nothing, but another lock\n")
    again = install(new_checkout)
    assert again.returncode == 0
    assert pip.stat().st_ino == made
    assert installed(new_checkout) == {"requirements.txt"}
    # The proxy is installed in addition and changes no other package.
    assert install(new_checkout, "requirements-proxy.txt").returncode == 0
    assert installed(new_checkout) == {"requirements.txt", "requirements-proxy.txt"}
    assert install(new_checkout).stdout == ""

    moved = new_checkout.root.rename(new_checkout.root.with_name("moved"))
    assert install(Checkout(moved)).stdout.startswith("creating .venv\n")


def test_a_bad_host_name_is_refused_before_anything_is_installed(new_checkout: Checkout):
    done = subprocess.run(
        ["/bin/sh", new_checkout.root / "run", "--domain", "https://x.example.com/"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "'https://x.example.com/' is not a host name such as signals.example.com" in done.stderr
    assert not (new_checkout.root / ".venv").exists()


def test_a_package_without_its_hash_is_refused_in_one_line(new_checkout: Checkout):
    lock(new_checkout, "honcho==2.0.0\n")
    done = install(new_checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("requirements.txt could not be installed: ERROR: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (new_checkout.root / ".venv" / "installed.json").exists()


def test_help_works_with_an_empty_environment_and_installs_nothing(new_checkout: Checkout):
    done = subprocess.run(
        ["/bin/sh", new_checkout.root / "run", "--help"], cwd="/", env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--once" in done.stdout
    assert not (new_checkout.root / ".venv").exists()


def test_without_a_suitable_python_the_error_names_the_requirements(new_checkout: Checkout):
    done = subprocess.run(
        ["/bin/sh", new_checkout.root / "run"],
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(
        "needs Python 3.11 or newer with its venv and ensurepip modules (on Debian: python3-venv)\n"
    )
