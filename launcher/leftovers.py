"""Ends servers that a killed run left behind: they still use their ports and data.

The system reuses process ids, so a pid file alone is no proof: a process is ended only when its command line is the
expected server's and its working directory is inside this checkout.
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

# Parts of each server's command line. The launcher's Redis process becomes valkey-server by exec.
MARKS: Final = {
    "proxy": ("caddy",),
    "web": ("app.server",),
    "worker": ("celery",),
    "events": ("celery",),
    "beat": ("celery",),
    "redis": ("valkey-server", "launcher.redis"),
}
# The proxy stops first, so that it forwards no request to a stopped server. Redis stops last, so that the workers can
# return their tasks to the queue.
ORDER: Final = (("proxy",), ("web", "beat", "worker", "events"), ("redis",))
PROCESSES: Final = Path("/proc")
STOP_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.05


def record(name: str, pid: int) -> None:
    """Write the pid file of a server, so that the next run finds it if this run is killed."""
    PIDS.mkdir(parents=True, exist_ok=True)
    (PIDS / f"{name}.pid").write_text(f"{pid}\n")


def forget(name: str) -> None:
    (PIDS / f"{name}.pid").unlink(missing_ok=True)


def end_recorded() -> list[str]:
    """End every recorded server of this checkout that still runs. Returns their names; removes all pid files."""
    ended: list[str] = []
    for names in ORDER:
        pids = {name: read_pid(PIDS / f"{name}.pid") for name in names}
        running = {name: pid for name, pid in pids.items() if pid is not None and is_ours(name, pid)}
        end(running.values())
        ended.extend(running)
        for name in names:
            forget(name)
    return ended


def read_pid(file: Path) -> int | None:
    """The process id in a file; None when there is no file or no number in it."""
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
    """The process's command line; None when there is no such process, or it is a zombie."""
    if (PROCESSES / "self").exists():
        with suppress(OSError):
            words = (PROCESSES / str(pid) / "cmdline").read_bytes()
            return words.replace(b"\0", b" ").decode(errors="replace").strip() or None
        return None
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip() or None


def end(pids: Iterable[int], timeout_seconds: float = STOP_SECONDS) -> None:
    """Send SIGTERM; after the timeout, kill the process groups of those that still run."""
    waiting: Sequence[int] = list(pids)
    for pid in waiting:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + timeout_seconds
    while waiting and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
        waiting = [pid for pid in waiting if command_line(pid) is not None]
    for pid in waiting:
        kill_group(pid)


def kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
