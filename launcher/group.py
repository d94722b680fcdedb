"""Starts, watches and stops the processes of the Procfile.

`honcho start` runs the same Procfile. This module does not use honcho's manager, because it signals all processes at
the same time: Redis would stop before the workers, and a worker's children would stop in the middle of a task.
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
    """Commands of the Procfile by name, and the proxy's. Platforms that read a Procfile bring a proxy of their own."""
    return {**parse_procfile(PROCFILE.read_text()).processes, "proxy": proxy.COMMAND}


class Group:
    """Processes that start and stop together. Each logs to a file, and with `verbose` to the terminal as well."""

    def __init__(self, *, verbose: bool) -> None:
        self._commands = commands()
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._readers: dict[str, IO[str]] = {}
        self._verbose = verbose

    def start(self, name: str, variables: Mapping[str, str]) -> None:
        """Start a command of the Procfile in a session of its own, which Ctrl-C does not reach."""
        log = _new_log(name)
        with log.open("wb") as output, _signals_deferred():
            # An interrupt between the start and the pid file would leave the process behind.
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
        """Show new log lines. Raises Refusal, with the last lines of its log, when a process has ended."""
        self._show()
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                raise Refusal(f"{name} ended with {_exit_reason(code)}; see {log_of(name)}", tail(log_of(name)))

    def stop(self) -> None:
        """Send SIGTERM in the order of `leftovers.ORDER` and wait; kill what runs after STOP_SECONDS."""
        for names in leftovers.ORDER:
            batch = {name: self._running.pop(name) for name in names if name in self._running}
            for process in batch.values():
                process.terminate()
            deadline = time.monotonic() + STOP_SECONDS
            for name, process in batch.items():
                _wait(process, deadline)
                leftovers.kill_group(process.pid)  # children outlive a parent that was killed
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
def _signals_deferred() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM after the block. A signal mask would be inherited by the started process."""
    received: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: received.append(number)) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def log_of(name: str) -> Path:
    """The log file of a process."""
    return LOGS / f"{name}.log"


def tail(log: Path) -> tuple[str, ...]:
    """The last lines of a log, without reading all of it."""
    with log.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return tuple(line for line in lines if line.strip())[-TAIL_LINES:]


def _new_log(name: str) -> Path:
    """The path of a new log. The log of the last run is kept as .log.1."""
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


def _exit_reason(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    with suppress(ValueError):
        return signal.Signals(-code).name
    return f"signal {-code}"
