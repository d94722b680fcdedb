"""Measures how fast signals are ingested, compared with a minimal Flask application and with Alerta.

    python -m benchmarks.ingest [--database postgresql|sqlite] [--json] [--check]
    python -m benchmarks.ingest --proxy --checkout PATH --stored 0 --peers
    python -m benchmarks.ingest --soak 60

Each server has two web processes; the load comes over 16 connections; every commit is durable. Each round runs all
servers, one after the other, and the report shows medians over the rounds. It also shows processor time per signal,
which other programs on the machine disturb much less than rates.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, cycle, islice, repeat
from pathlib import Path
from typing import Any, Final

from benchmarks import ingest_servers as servers
from benchmarks.goals import Goal
from benchmarks.ingest_load import Driver, Outcome, Target, drive_for
from benchmarks.ingest_servers import Park, Server
from benchmarks.ingest_soak import soak
from benchmarks.render import machine

CLIENTS: Final = 16
ROUNDS: Final = 5
SECONDS: Final = 4
WARM_UP_SECONDS: Final = 2
FIRST_RATE: Final = 2_000.0
"""Signals a second for which bodies are prepared in the first run. It is repeated when the server is faster."""
DUPLICATES: Final = 200
MAX_REFUSED: Final = 0.5
"""Maximum share of unexpected refusals. With more, the run ends: its rates would mean nothing."""
BATCH: Final = 100
STORED: Final = 1_000_000
INSTRUMENTS: Final = 50
FIRST_TIME: Final = 946_684_800_000
BETWEEN_MS: Final = 300_000

numbers = count(1)


def a_signal() -> dict[str, Any]:
    """A new signal by both rules: a unique external_id, and five minutes after the last signal of its instrument."""
    number = next(numbers)
    return {
        "instrument": f"STOCK{number % INSTRUMENTS}",
        "side": "buy" if number % 2 else "sell",
        "price": "187.20",
        "time": FIRST_TIME + number // INSTRUMENTS * BETWEEN_MS,
        "external_id": f"order-{number}",
        "payload": {"stop_loss": 180.5, "take_profit": [195, 201.5], "timeframe": "1d", "strategy": "breakout"},
    }


def an_alert() -> dict[str, Any]:
    """The same as an alert for Alerta. Resource and event are unique, so it is stored as new."""
    source = a_signal()
    return {
        "resource": source["external_id"],
        "event": source["side"],
        "environment": "Production",
        "service": [source["instrument"]],
        "value": source["price"],
        "attributes": source["payload"],
    }


def singles(make: Callable[[], dict[str, Any]] = a_signal) -> Iterator[bytes]:
    while True:
        yield json.dumps(make()).encode()


def batches() -> Iterator[bytes]:
    while True:
        yield json.dumps({"signals": [a_signal() for _ in range(BATCH)]}).encode()


@dataclass(frozen=True)
class Case:
    """One measured case: requests to one server. `refused` means that refusals are the expected response."""

    name: str
    server: Server
    target: Target
    bodies: Iterator[bytes]
    signals: int = 1
    refused: bool = False

    def run(self, seconds: float, rate: float, park: Park) -> dict[str, float]:
        """Rates and costs of one run. `rate` is an upper estimate of the server's signals a second."""
        before = 0.0, 0.0, 0.0

        def used() -> tuple[float, float, float]:
            return self.server.processor_ms(), park.database_ms(), self.server.proxy_ms()

        def begin() -> None:
            nonlocal before
            before = used()

        outcome = drive_for(
            self.target, self.bodies, clients=CLIENTS, seconds=seconds, rate=rate / self.signals, begin=begin
        )
        unavailable = self.unavailable(outcome)
        signals = (outcome.responses - unavailable) * self.signals
        web, database, proxy = (after - first for after, first in zip(used(), before, strict=True))
        return {
            "per_second": signals / outcome.seconds,
            "p50_ms": outcome.p50_ms,
            "p99_ms": outcome.p99_ms,
            "web_ms": web / signals,
            "database_ms": database / signals,
            "proxy_ms": proxy / signals,
            "unavailable": unavailable,
        }

    def unavailable(self, outcome: Outcome) -> int:
        """Number of unexpected refusals: a busy server refuses after DATABASE_TIMEOUT_SECONDS.

        Raises SystemExit when connections broke, when duplicates were stored, or with refusals over MAX_REFUSED.
        """
        if self.refused:
            # The last responses may be missing: wrk stops in the middle.
            wrong = abs(outcome.refusals - outcome.responses) > CLIENTS
        else:
            wrong = outcome.refusals > MAX_REFUSED * outcome.responses
        if wrong or outcome.broken:
            raise SystemExit(f"{self.name}: {outcome}\n{self.server.log_tail()}")
        return 0 if self.refused else outcome.refusals


def single(server: Server, make: Callable[[], dict[str, Any]] = a_signal) -> Case:
    return Case(server.name, server, server.target, singles(make))


def duplicates(server: Server) -> Case:
    """Signals that are stored already, repeated one after the other."""
    stored = list(islice(singles(), DUPLICATES))
    outcome = Driver(server.target, 1).run(iter(stored), seconds=60)
    assert outcome.refusals == 0, outcome
    return Case(f"duplicates, {server.name}", server, server.target, cycle(stored), refused=True)


def batch(server: Server) -> Case:
    target = Target(server.target.port, f"{server.target.path}/batch")
    return Case(f"batches of {BATCH}, {server.name}", server, target, batches(), signals=BATCH)


def reads(server: Server) -> Case:
    """Reads of one stored signal: a request that costs little besides HTTP itself."""
    body = json.dumps(a_signal()).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.target.port}{server.target.path}", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        location: str = response.headers["Location"]
    return Case(f"reads, {server.name}", server, Target(server.target.port, location, "GET"), repeat(b""))


def every_kind(server: Server, name: str = "") -> dict[str, Case]:
    """All kinds of requests to one server. `name` is the name of single posts and the prefix of the others."""
    prefix = f"{name}_" if name else ""
    return {
        name or "signalbox": single(server),
        f"{prefix}duplicates": duplicates(server),
        f"{prefix}batches": batch(server),
        f"{prefix}reads": reads(server),
    }


def all_cases(park: Park, options: argparse.Namespace, venvs: Path) -> dict[str, Case]:
    """All cases, by the names that the goals use."""
    floor, ours = park.floor(), park.signalbox()
    cases_by_name = {"floor": single(floor), **every_kind(ours)}
    if options.proxy:
        cases_by_name |= every_kind(park.through_caddy(ours), "proxied")
    if options.stored:
        cases_by_name["stored"] = single(park.signalbox(stored=options.stored))
    if options.checkout:
        cases_by_name |= every_kind(park.signalbox(options.checkout), "other")
    if "alerta" in options.peers and not park.is_sqlite:
        venv = servers.install(venvs / "alerta", "alerta-server", "psycopg2-binary", "gunicorn")
        cases_by_name["alerta"] = single(park.alerta(venv), an_alert)
    return cases_by_name


def measure(park: Park, cases: dict[str, Case], rounds: int, seconds: float) -> dict[str, dict[str, float]]:
    """Medians over the rounds, with the lowest and the highest rate."""
    speeds = {name: case.run(WARM_UP_SECONDS, FIRST_RATE, park)["per_second"] for name, case in cases.items()}
    rows: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, case in cases.items():
            rows[name].append(case.run(seconds, 2 * speeds[name], park))
            speeds[name] = max(speeds[name], rows[name][-1]["per_second"])
    return {name: _summary(measured) for name, measured in rows.items()}


def _summary(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    rates = [row["per_second"] for row in rows]
    medians = {key: statistics.median(row[key] for row in rows) for key in rows[0]}
    unavailable = sum(row["unavailable"] for row in rows)
    return medians | {"lowest": min(rates), "highest": max(rates), "unavailable": unavailable}


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="signalbox-venvs-") as temporary, servers.park(options.database) as park:
        cases = all_cases(park, options, options.venvs or Path(temporary))
        report: dict[str, Any] = {
            "machine": machine(),
            "database": f"{options.database}, {park.durability()}",
            "clients": CLIENTS,
            "rounds": options.rounds,
            "cases": measure(park, cases, options.rounds, options.seconds),
            "names": {name: case.name for name, case in cases.items()},
        }
    return report | {"goals": [goal.row() for goal in goals(report["cases"], options.database)]}


def goals(results: dict[str, dict[str, float]], database: str) -> list[Goal]:
    """The goals with the measured values."""
    rate = {name: row["per_second"] for name, row in results.items()}
    ours = rate["signalbox"]
    promised = [
        Goal("single posts / the floor", ours / rate["floor"], ">=", 0.7),
        Goal("single posts, p99 ms", results["signalbox"]["p99_ms"], "<", 50),
        Goal("duplicates / accepted", rate["duplicates"] / ours, ">=", 1.5),
        Goal(f"batches of {BATCH} / singles", rate["batches"] / ours, ">=", 8),
        Goal("requests refused", sum(row["unavailable"] for row in results.values()), "<=", 0),
    ]
    if "stored" in rate:
        promised.append(Goal("with many stored / with few", rate["stored"] / ours, ">=", 0.85))
    if "alerta" in rate:
        promised.append(Goal(f"single posts / Alerta, {database}", ours / rate["alerta"], ">=", 5))
    return promised


def lines_of(report: dict[str, Any]) -> Iterable[str]:
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield f"{report['database']}; {report['clients']} connections, medians of {report['rounds']} rounds\n"
    header = f"{'':44}{'a second':>9}{'lowest':>8}{'highest':>8}{'p50 ms':>8}{'p99 ms':>8}"
    yield f"{header}{'web ms':>8}{'db ms':>7}{'proxy':>7}{'refused':>9}"
    for name, row in report["cases"].items():
        rates = f"{report['names'][name]:44}{row['per_second']:9,.0f}{row['lowest']:8,.0f}{row['highest']:8,.0f}"
        yield (
            f"{rates}{row['p50_ms']:8.2f}{row['p99_ms']:8.2f}{row['web_ms']:8.3f}{row['database_ms']:7.3f}"
            f"{row['proxy_ms']:7.3f}{row['unavailable']:9.0f}"
        )
    yield ""
    yield from (Goal.line(goal) for goal in report["goals"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__.split("\n\n")[0])
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each case in each round")
    parser.add_argument("--stored", type=int, default=STORED, help="signals in the full table; 0: without this case")
    parser.add_argument("--peers", nargs="*", choices=("alerta",), default=["alerta"])
    parser.add_argument("--proxy", action="store_true", help="also this service behind Caddy, without TLS")
    parser.add_argument("--checkout", type=Path, help="another checkout of this project to measure beside this one")
    parser.add_argument("--venvs", type=Path, help="folder in which peers are installed and kept; default: temporary")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES", help="only a soak test of this duration, at half the maximum rate"
    )
    parser.add_argument("--json", action="store_true", help="a JSON document instead of the table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    # On SIGTERM, stop the servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    if options.soak:
        return soak(options, singles())
    report = run_all(options)
    print(json.dumps(report, indent=2) if options.json else "\n".join(lines_of(report)))
    return int(options.check and not all(goal["met"] for goal in report["goals"]))


if __name__ == "__main__":
    sys.exit(main())
