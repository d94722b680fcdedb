"""A soak test: signals at half the maximum rate for hours. Shows refused signals and growth of memory."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any, Final

from benchmarks import ingest_servers as servers
from benchmarks.goals import Goal
from benchmarks.ingest_load import Driver
from benchmarks.render import machine

CLIENTS: Final = 16
TOP_SECONDS: Final = 10
INTERVALS: Final = 20
MAX_GROWTH: Final = 1.05


def soak(options: argparse.Namespace, bodies: Iterator[bytes]) -> int:
    """Run and print the result. Returns 1 when `--check` is set and a goal was missed."""
    report = run(options.database, options.soak * 60, bodies)
    print(json.dumps(report, indent=2) if options.json else "\n".join(lines_of(report)))
    return int(options.check and not all(goal["met"] for goal in report["goals"]))


def run(database: str, seconds: float, bodies: Iterator[bytes]) -> dict[str, Any]:
    with servers.park(database) as park:
        server = park.signalbox()
        driver = Driver(server.target, CLIENTS)
        top = driver.run(bodies, seconds=TOP_SECONDS)
        driver.close()
        intervals = []
        for _ in range(INTERVALS):
            driver = Driver(server.target, CLIENTS)
            outcome = driver.run(bodies, seconds=seconds / INTERVALS, rate=top.rate / 2)
            driver.close()
            intervals.append(
                {
                    "responses": outcome.responses,
                    "refusals": outcome.refusals,
                    "broken": outcome.broken,
                    "p50_ms": outcome.p50_ms,
                    "p99_ms": outcome.p99_ms,
                    "resident_mb": server.resident_mb(),
                }
            )
    report = {
        "machine": machine(),
        "database": database,
        "minutes": seconds / 60,
        "top": top.rate,
        "intervals": intervals,
    }
    return report | {"goals": [goal.row() for goal in goals(intervals)]}


def goals(intervals: list[dict[str, float]]) -> list[Goal]:
    """Memory is compared with that after the first quarter: until then caches fill."""
    settled, last = intervals[len(intervals) // 4]["resident_mb"], intervals[-1]["resident_mb"]
    return [
        Goal("refused or broken", sum(interval["refusals"] + interval["broken"] for interval in intervals), "<=", 0),
        Goal("memory at the end / settled", last / settled, "<=", MAX_GROWTH),
    ]


def lines_of(report: dict[str, Any]) -> Iterator[str]:
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield f"{report['database']}, {report['minutes']:g} minutes at half of {report['top']:,.0f} signals a second\n"
    for interval in report["intervals"]:
        yield "  ".join(f"{key} {value:,.2f}" for key, value in interval.items())
    yield ""
    yield from (Goal.line(goal) for goal in report["goals"])
