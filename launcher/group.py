"""The processes of the Procfile as one: started together, watched, and stopped in order.

The lines are honcho's and run under `honcho start` as well. Its manager is not used here: it signals whole groups at
once, so the queue's server would go before those that use it and a worker's children in the middle of their work.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from honcho.environ import parse_procfile

from launcher import leftovers, proxy, terminal
from launcher.places import LOGS, PROCFILE, ROOT
from launcher.refusal import Refusal

STOP_SECONDS: Final = 10.0
ENDING: Final = (signal.SIGINT, signal.SIGTERM)
TAIL_LINES: Final = 8
TAIL_BYTES: Final = 16_384


def commands() -> dict[str, str]:
    """The Procfile's lines by name, and the proxy's: whoever else reads the Procfile has a proxy already."""
    return {**parse_procfile(PROCFILE.read_text()).processes, "proxy": proxy.COMMAND}


class Group:
    """Processes that stand and fall together. What they print goes to a file each, and with `verbose` here too."""

    def __init__(self, *, verbose: bool) -> None:
        self._commands = commands()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: dict[str, IO[str]] = {}
        self._verbose = verbose

    def start(self, name: str, variables: Mapping[str, str]) -> None:
        """Start a line of the Procfile in a session of its own, where a Ctrl-C does not reach it."""
        log = _fresh_log(name)
        with log.open("wb") as output, _signals_held():
            # Between its start and its record a process would be left behind by whoever is interrupted there.
            self._running[name] = process = subprocess.Popen(
                ["/bin/sh", "-c", self._commands[name]],
                cwd=ROOT,
                env=dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            leftovers.record(name, process.pid)
        if self._verbose:
            self._readers[name] = log.open(errors="replace")

    def check(self) -> None:
        """Pass on what was logged. Raises Refusal, with the last lines, when a process has ended by itself."""
        self._show()
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise Refusal(f"{name} ended with {_meaning(code)}; see {log_of(name)}", tail(log_of(name)))

    def stop(self) -> None:
        """Ask each to end and wait for it, the queue's server last; kill what takes longer than ten seconds."""
        for names in leftovers.ORDER:
            batch = {name: self._running.pop(name) for name in names if name in self._running}
            for process in batch.values():
                process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for name, process in batch.items():
                _wait(process, deadline)
                leftovers.kill_group(process.pid)  # children whose parent was killed outlive it
                leftovers.forget(name)
        self._show()
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()

    def _show(self) -> None:
        for name, reader in self._readers.items():
            for line in reader.read().splitlines():
                terminal.say(f"{name:>6} | {line}")


@contextmanager
def _signals_held() -> Iterator[None]:
    """Let SIGINT and SIGTERM come after the block. To block them would hand that on to the process that is started."""
    came: list[int] = []
    usual = {number: signal.signal(number, lambda number, _: came.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def log_of(name: str) -> Path:
    return LOGS / f"{name}.log"


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log that may be long."""
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return tuple(line for line in lines if line.strip())[-TAIL_LINES:]


def _fresh_log(name: str) -> Path:
    """An empty log; the last run's is kept beside it."""
    log = log_of(name)
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def _wait(process: subprocess.Popen[bytes], deadline: float) -> None:
    try:
        process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _meaning(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
