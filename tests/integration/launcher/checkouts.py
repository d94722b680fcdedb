"""A copy of the project to start things in, and what runs there: real processes, found by the folder they work in."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

# Nothing else is inherited: what ./run needs it finds by itself.
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def wait_for(what: str, condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.05)


@dataclass
class Launch:
    """A ./run that goes on; its output goes to a file, so that nothing waits for a reader."""

    process: subprocess.Popen[bytes]
    output: Path

    def told(self) -> str:
        return self.output.read_text()

    @property
    def port(self) -> int:
        return int(self.told().partition("serving at http://127.0.0.1:")[2].split()[0])

    def wait_until_shown(self) -> None:
        wait_for("the demo", lambda: "Ctrl-C ends everything." in self.told() or self.process.poll() is not None)
        assert self.process.poll() is None, self.told()

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)


@dataclass
class Checkout:
    root: Path
    launches: list[Launch] = field(default_factory=list)

    def once(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """What ./run --once does after it has seen to the environment."""
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
        """Every process that works in this checkout, by its command line."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").resolve(strict=True).is_relative_to(self.root):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if words:
                        found[int(folder.name)] = words
        return found

    def clear(self) -> None:
        for launch in self.launches:
            if launch.process.poll() is None:
                launch.process.terminate()
                launch.process.wait(30)
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
