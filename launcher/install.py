"""Creates .venv and installs a lock file into it. Runs first, so it needs the standard library alone."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
import venv
from typing import Final

from launcher.places import LOGS, ROOT, VENV
from launcher.terminal import complain, progress, say, settle

STAMP: Final = VENV / "installed.json"
LOG: Final = LOGS / "install.log"
PROXY: Final = "requirements-proxy.txt"
# The lock files that are satisfied once one is installed. requirements-dev.txt holds the packages of the other two, at
# the same versions.
SATISFIED: Final = {
    "requirements.txt": ("requirements.txt",),
    PROXY: (PROXY,),
    "requirements-dev.txt": ("requirements.txt", PROXY, "requirements-dev.txt"),
}
BAR: Final = 30


def main() -> int:
    lock = sys.argv[1]
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with (LOG.parent / "install.lock").open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        if _recorded().get(lock) == _digest(lock):
            return 0
        if not _usable():
            say("creating .venv")
            shutil.rmtree(VENV, ignore_errors=True)
            venv.create(VENV, symlinks=True, with_pip=True)
        return _install(lock)


def _digest(lock: str) -> str:
    return hashlib.sha256((ROOT / lock).read_bytes()).hexdigest()


def _recorded() -> dict[str, str]:
    """Digests of the installed lock files by name; empty when .venv belongs to another folder or its Python is gone."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if _usable() and stamp.get("prefix") == str(VENV.resolve()) else {}


def _usable() -> bool:
    """Whether the environment's interpreter starts, finds its packages, and belongs to this folder.

    In a checkout that was moved or copied, the scripts name the interpreter of the old folder.
    """
    pip = VENV / "bin" / "pip"
    if not pip.is_file() or str(VENV.resolve()) not in pip.read_text(errors="replace")[:4096]:
        return False
    probe = [str(VENV / "bin" / "python"), "-c", "import pip"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def _install(lock: str) -> int:
    # The proxy's lock adds one program and changes no other package. Any other may change the versions of the rest.
    kept = _recorded() if lock == PROXY else {}
    STAMP.unlink(missing_ok=True)
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--require-hashes", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--no-compile", "-r", lock]
    with LOG.open("w") as log:
        pip = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        _watch(pip, lock)
    finally:
        if pip.poll() is None:
            pip.terminate()
            pip.wait()
    if pip.returncode != 0:
        reasons = [line for line in LOG.read_text(errors="replace").splitlines() if line.startswith("ERROR")]
        complain(f"{lock} could not be installed: {(reasons or ['pip failed'])[0]} (full log: {LOG})")
        return 1
    stamp = kept | {"prefix": str(VENV.resolve())} | {name: _digest(name) for name in SATISFIED[lock]}
    STAMP.write_text(json.dumps(stamp, indent=1) + "\n")
    return 0


def _watch(pip: subprocess.Popen[bytes], lock: str) -> None:
    """Show the progress of pip: packages fetched, by its log; then packages unpacked, by the environment's folder."""
    locked = sum("==" in line for line in (ROOT / lock).read_text().splitlines() if line[:1].isalnum())
    shown = ""
    while pip.poll() is None:
        output = LOG.read_text(errors="replace")
        total = max(1, locked - output.count("Ignoring "))
        done = len(list(VENV.glob("lib/python3*/site-packages/*.dist-info")))
        if "Installing collected packages" in output:
            shown = _bar("unpacking", done, total, shown)
        else:
            shown = _bar("fetching", output.count("\nCollecting ") + output.count("already satisfied"), total, shown)
        time.sleep(0.2)
    settle()


def _bar(step: str, done: int, total: int, shown: str) -> str:
    """Redraw the bar on a terminal; elsewhere write one line per quarter. Returns the last line shown."""
    share = min(1.0, done / total)
    if sys.stdout.isatty():
        filled = int(share * BAR)
        progress(f"installing [{'#' * filled}{'.' * (BAR - filled)}] {step} {min(done, total)} of {total} packages")
        return shown
    line = f"installing: {step}, {int(share * 4) * 25} %"
    if line != shown:
        say(line)
    return line


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        complain("stopped")
        sys.exit(130)
