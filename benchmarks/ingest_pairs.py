"""Compares checkouts of this project with one base by processor time per request, also on a busy machine.

    python -m benchmarks.ingest_pairs BASE CHECKOUT [CHECKOUT ...] [--kinds singles duplicates batches reads] [--json]

Each checkout's application runs in a process of its own, without a web server, over one PostgreSQL and one Redis. The
processes work in short bursts, one process at a time, in rotation. Other programs only add to the processor time of a
burst, so a round compares the tenth percentile of a checkout's bursts with that of the base. The table shows the median
ratio of all rounds with the lowest and the highest. Name a second copy of the base as well: its ratios show the noise.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import ingest_servers
from benchmarks.ingest_servers import Park
from benchmarks.render import machine

SCRIPT: Final = Path(__file__).with_name("ingest_child.py")
BURST: Final = {"singles": 64, "duplicates": 64, "batches": 4, "reads": 64}
"""Requests of one burst by kind: about 50 ms of processor time."""
BURSTS: Final = 30
"""Bursts of each process in one round."""
ROUNDS: Final = 5
WARM_UP_BURSTS: Final = 10
THREADS: Final = 8
LOG_LINES: Final = 10


class Child:
    """The application of one checkout in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process = process
        self._log = log

    def burst(self, kind: str) -> float:
        """Milliseconds of processor time per request. Raises SystemExit with the end of its log when it has failed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{kind} {BURST[kind]}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            lines = self._log.read_text(errors="replace").splitlines()
            raise SystemExit("\n".join(["a process has failed", *lines[-LOG_LINES:]]))
        return float(line) / BURST[kind]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Processor time of a checkout / the base's, for one kind of request: median, lowest and highest of all rounds."""

    kind: str
    checkout: str
    base_ms: float
    median: float
    low: float
    high: float

    def line(self) -> str:
        spread = f"{self.low:.3f} - {self.high:.3f}"
        return f"{self.kind:12}{self.checkout:16}{self.base_ms:9.3f}{self.median:9.3f}   {spread}"


def compare(base: Child, others: dict[str, Child], kind: str, rounds: int) -> Iterator[Comparison]:
    """One comparison per checkout."""
    children = [base, *others.values()]
    _bursts(children, kind, WARM_UP_BURSTS)
    measured = [_bursts(children, kind, BURSTS) for _ in range(rounds)]
    base_ms = statistics.median(values[0] for values in measured)
    for place, name in enumerate(others, 1):
        ratios = [values[place] / values[0] for values in measured]
        yield Comparison(kind, name, base_ms, statistics.median(ratios), min(ratios), max(ratios))


def _bursts(children: Sequence[Child], kind: str, number: int) -> list[float]:
    """For each process the tenth percentile of its bursts, which run in rotation."""
    bursts = [[child.burst(kind) for child in children] for _ in range(number)]
    return [statistics.quantiles(values, n=10, method="inclusive")[0] for values in zip(*bursts, strict=True)]


@contextmanager
def running(park: Park, checkout: Path, threads: int) -> Iterator[Child]:
    """The application of a checkout, over a database of its own, with default settings."""
    env = park.environment(checkout) | {"PYTHONPATH": str(checkout)}
    # -P: the folder of the script is not searched for modules.
    command = [sys.executable, "-P", str(SCRIPT), str(threads)]
    with (
        tempfile.NamedTemporaryFile() as log,
        subprocess.Popen(
            command, cwd=checkout, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            yield Child(process, Path(log.name))
        finally:
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest_pairs", description=__doc__.split("\n\n")[0])
    parser.add_argument("base", type=Path, help="checkout that the others are compared with")
    parser.add_argument("checkouts", type=Path, nargs="+")
    parser.add_argument("--kinds", nargs="+", choices=tuple(BURST), default=["singles"])
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--threads", type=int, default=THREADS, help="requests of one process at the same time")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"of {BURSTS} bursts of each process")
    parser.add_argument("--json", action="store_true", help="a JSON document per line instead of the table")
    options = parser.parse_args()
    # On SIGTERM, stop the processes as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not options.json:
        print(", ".join(f"{name} {value}" for name, value in machine().items()))
        print(f"{options.database}, {options.threads} threads, medians of {options.rounds} rounds")
        print(f"{'':28}{'base ms':>9}{'ratio':>9}   lowest - highest")
    with ExitStack() as stack:
        park = stack.enter_context(ingest_servers.park(options.database))
        base, *others = [
            stack.enter_context(running(park, path.resolve(), options.threads))
            for path in (options.base, *options.checkouts)
        ]
        children = {path.name: child for path, child in zip(options.checkouts, others, strict=True)}
        for kind in options.kinds:
            for comparison in compare(base, children, kind, options.rounds):
                print(json.dumps(asdict(comparison)) if options.json else comparison.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
