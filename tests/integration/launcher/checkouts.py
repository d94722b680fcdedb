"""A copy of the project in which tests run ./run, and its processes, found by their working directory."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Nothing else is inherited: ./run has to find everything itself.
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.05)


@dataclass
class Launch:
    """A running ./run. Its output goes to a file: a full pipe would block it."""

    process: subprocess.Popen[bytes]
    output: Path

    def text(self) -> str:
        return self.output.read_text()

    @property
    def port(self) -> int:
        return int(self.text().partition("serving at http://127.0.0.1:")[2].split()[0])

    def wait_until_shown(self) -> None:
        wait_for("the demo", lambda: "Ctrl-C stops everything." in self.text() or self.process.poll() is not None)
        assert self.process.poll() is None, self.text()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@dataclass
class Checkout:
    root: Path
    launches: list[Launch] = field(default_factory=list)

    def once(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `./run --once` with the packages installed already."""
        return subprocess.run(
            [self.root / ".venv" / "bin" / "python", "-m", "launcher.run", "--once", *words],
            cwd=self.root,
            env=ENVIRONMENT | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def launch(self, *words: str, **variables: str) -> Launch:
        output = self.root / f"launch-{len(self.launches)}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [self.root / ".venv" / "bin" / "python", "-m", "launcher.run", *words],
                cwd=self.root,
                env=ENVIRONMENT | variables,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.launches.append(Launch(process, output))
        return self.launches[-1]

    def pid(self, name: str) -> int:
        return int((self.root / "var" / "pids" / f"{name}.pid").read_text())

    def processes(self) -> dict[int, str]:
        """Command lines of all processes whose working directory is in this checkout, by process id."""
        command_lines = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").resolve(strict=True).is_relative_to(self.root):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if words:
                        command_lines[int(folder.name)] = words
        return command_lines

    def clear(self) -> None:
        for launch in self.launches:
            if launch.process.poll() is None:
                launch.process.terminate()
                launch.process.wait(30)
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
