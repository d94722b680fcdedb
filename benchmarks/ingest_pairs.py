"""Compares checkouts of this project with one base: processor time per signal, and rate, in pairs of short runs.

    python -m benchmarks.ingest_pairs BASE CHECKOUT [CHECKOUT ...] [--kinds singles duplicates batches reads] [--json]

All servers run at once over one database server and one Redis, each on a database of its own, and only one of them has
load at a time. In every round each checkout runs right after or right before the base, in alternating order. A ratio is
checkout / base of one pair. The table shows the median and the quartiles of the ratios: a busy machine disturbs both
sides of a pair alike.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from benchmarks import ingest, ingest_servers
from benchmarks.ingest import Case
from benchmarks.ingest_servers import Park, Server
from benchmarks.render import machine

ROUNDS: Final = 7
SECONDS: Final = 3
KINDS: Final[dict[str, Callable[[Server], Case]]] = {
    "singles": ingest.single,
    "duplicates": ingest.duplicates,
    "batches": ingest.batch,
    "reads": ingest.reads,
}

Row = dict[str, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of one ratio over all pairs."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Spread:
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        return f"{self.median:6.3f} ({self.low:.3f} - {self.high:.3f})"


@dataclass(frozen=True, slots=True)
class Comparison:
    """One checkout against the base, for one kind of request."""

    kind: str
    checkout: str
    base_ms: float
    """Processor time of the base's web processes per signal, in milliseconds: median."""
    web: Spread
    """Processor time of the web processes per signal."""
    total: Spread
    """The same with PostgreSQL's."""
    rate: Spread
    p99: Spread

    @classmethod
    def of(cls, kind: str, checkout: str, pairs: Sequence[tuple[Row, Row]]) -> Comparison:
        def ratio(value: Callable[[Row], float]) -> Spread:
            return Spread.of([value(other) / value(base) for base, other in pairs])

        return cls(
            kind,
            checkout,
            statistics.median(base["web_ms"] for base, _ in pairs),
            web=ratio(lambda row: row["web_ms"]),
            total=ratio(lambda row: row["web_ms"] + row["database_ms"]),
            rate=ratio(lambda row: row["per_second"]),
            p99=ratio(lambda row: row["p99_ms"]),
        )

    def line(self) -> str:
        return (
            f"{self.kind:12}{self.checkout:16}{self.base_ms:8.3f}"
            f"  {self.web}  {self.total}  {self.rate}  {self.p99.median:6.2f}"
        )


def compare(park: Park, options: argparse.Namespace) -> Iterator[Comparison]:
    """One comparison per kind and checkout."""
    base, *others = [park.signalbox(path.resolve()) for path in (options.base, *options.checkouts)]
    for kind in options.kinds:
        cases = {server.name: KINDS[kind](server) for server in (base, *others)}
        first = cases.pop(base.name)
        rate = first.run(ingest.WARM_UP_SECONDS, ingest.FIRST_RATE, park)["per_second"]
        for case in cases.values():
            case.run(ingest.WARM_UP_SECONDS, 2 * rate, park)
        pairs: dict[str, list[tuple[Row, Row]]] = {name: [] for name in cases}
        for number in range(options.rounds):
            for name, case in cases.items():
                pairs[name].append(_pair(first, case, options.seconds, 3 * rate, park, swap=bool(number % 2)))
        for path, measured in zip(options.checkouts, pairs.values(), strict=True):
            yield Comparison.of(kind, path.name, measured)


def _pair(base: Case, other: Case, seconds: float, rate: float, park: Park, *, swap: bool) -> tuple[Row, Row]:
    """One run of each; with `swap`, the base runs second."""
    if not swap:
        return base.run(seconds, rate, park), other.run(seconds, rate, park)
    measured = other.run(seconds, rate, park)
    return base.run(seconds, rate, park), measured


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest_pairs", description=__doc__.split("\n\n")[0])
    parser.add_argument("base", type=Path, help="checkout that the others are compared with")
    parser.add_argument("checkouts", type=Path, nargs="+")
    parser.add_argument("--kinds", nargs="+", choices=tuple(KINDS), default=["singles"])
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of each checkout and kind")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each run")
    parser.add_argument("--json", action="store_true", help="a JSON document per line instead of the table")
    options = parser.parse_args()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if not options.json:
        print(", ".join(f"{name} {value}" for name, value in machine().items()))
        print(f"{'':28}{'base ms':>8}  {'web ms ratio':24}  {'web + database':24}  {'rate':24}  {'p99':>6}")
    with ingest_servers.park(options.database) as park:
        for comparison in compare(park, options):
            print(json.dumps(asdict(comparison)) if options.json else comparison.line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
