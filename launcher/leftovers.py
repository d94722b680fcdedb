"""What a killed run leaves behind: servers that still hold their ports and data. The next run ends them first.

A number in a file proves nothing, since the system gives process ids out again: a process is ended only when its
command line is the expected server's and it works inside this checkout.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from launcher.places import PIDS, ROOT

# What a server's command line shows; that of Redis only once it has become one.
MARKS: Final = {
    "proxy": ("caddy",),
    "web": ("app.server",),
    "worker": ("celery",),
    "events": ("celery",),
    "beat": ("celery",),
    "redis": ("valkey-server", "launcher.redis"),
}
# The proxy goes first, so that no request comes to a server that is gone. The server that holds the queue goes last, so
# that the others can still hand their work back.
ORDER: Final = (("proxy",), ("web", "beat", "worker", "events"), ("redis",))
PROCESSES: Final = Path("/proc")
PATIENCE_SECONDS: Final = 5.0
STEP_SECONDS: Final = 0.05


def record(name: str, pid: int) -> None:
    """Note a server of this run, so that a later one can find it when this run is killed."""
    PIDS.mkdir(parents=True, exist_ok=True)
    (PIDS / f"{name}.pid").write_text(f"{pid}\n")


def forget(name: str) -> None:
    (PIDS / f"{name}.pid").unlink(missing_ok=True)


def end_recorded() -> list[str]:
    """End every recorded server that still runs and is ours. Returns their names; stale files go without a word."""
    ended: list[str] = []
    for names in ORDER:
        pids = {name: read_pid(PIDS / f"{name}.pid") for name in names}
        found = {name: pid for name, pid in pids.items() if pid is not None and is_ours(name, pid)}
        end(found.values())
        ended.extend(found)
        for name in names:
            forget(name)
    return ended


def read_pid(file: Path) -> int | None:
    """The process id a file holds; None when there is no file or no number in it."""
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def is_ours(name: str, pid: int) -> bool:
    """Whether the process is the named server, started from this checkout."""
    command = command_line(pid)
    if command is None or not any(mark in command for mark in MARKS[name]):
        return False
    if (PROCESSES / "self").exists():
        with suppress(OSError):
            return (PROCESSES / str(pid) / "cwd").resolve(strict=True).is_relative_to(ROOT)
        return False
    return str(ROOT) in command


def command_line(pid: int) -> str | None:
    """The process's command line; None when there is no such process, or it has ended and waits to be collected."""
    if (PROCESSES / "self").exists():
        with suppress(OSError):
            words = (PROCESSES / str(pid) / "cmdline").read_bytes()
            return words.replace(b"\0", b" ").decode(errors="replace").strip() or None
        return None
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def end(pids: Iterable[int], patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Ask the processes to stop; kill those that do not, with the groups they lead."""
    waiting: Sequence[int] = list(pids)
    for pid in waiting:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + patience_seconds
    while waiting and time.monotonic() < deadline:
        time.sleep(STEP_SECONDS)
        waiting = [pid for pid in waiting if command_line(pid) is not None]
    for pid in waiting:
        kill_group(pid)


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
