"""Measures the pipeline: charts requested over HTTP, drawn by a worker and fetched; cached images; equal requests.

    python -m benchmarks.pipeline [--database postgresql|sqlite] [--json] [--check]

Two web and two worker processes, a real Valkey and a real database on one machine, which the client shares. The report
also shows the processor time of each part, which other programs on the machine disturb much less than rates.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import count, cycle, repeat
from time import perf_counter, sleep
from typing import Any, Final

from benchmarks.goals import Goal
from benchmarks.pipeline_load import Connection, Response, get, post, spread
from benchmarks.pipeline_stack import INSTRUMENT, TIMEFRAME, Stack, running_stack
from benchmarks.render import machine

CHARTS: Final = "/api/v1/charts"
WAIT: Final = {"Prefer": "wait=10"}
ROUNDS: Final = 200
DISTINCT: Final = 600
SIGNALS: Final = 1_000
POSTERS: Final = 12
IMAGES: Final = 50
READS: Final = 10_000
READERS: Final = 8
PAIRS: Final = 9
EQUALS: Final = 500
EQUAL_CLIENTS: Final = 50
POLL_SECONDS: Final = 0.05
MAX_POLLS: Final = 1_200

numbers = count(1)


def a_chart() -> dict[str, Any]:
    """The usual chart. Each has a title of its own, so none comes from a cache."""
    data = {"instrument": INSTRUMENT, "timeframe": TIMEFRAME, "bars": 200}
    return {"type": "candlestick", "title": f"GOOG {next(numbers)}", "data": data, "panels": [{"kind": "volume"}]}


def drawn(connection: Connection, request: bytes) -> dict[str, Any]:
    """Request a chart and wait until it is drawn. Returns its document.

    A quarter of a process's threads may wait for charts. Beyond that the response is 202, and the client polls.
    Raises AssertionError when the chart is refused, fails or is not drawn in time.
    """
    response = connection.send(request)
    for _ in range(MAX_POLLS):
        assert response.status in (200, 202), response
        document = response.document()
        if document["status"] == "ready":
            return document
        assert document["status"] in ("queued", "rendering"), document
        sleep(POLL_SECONDS)
        response = connection.send(get(f"{CHARTS}/{document['id']}"))
    raise AssertionError(f"not drawn: {response}")


def draw_and_fetch(connection: Connection) -> Response:
    """Request a chart, wait for it, fetch its image."""
    image = connection.send(get(drawn(connection, post(CHARTS, a_chart(), WAIT))["image_url"]))
    assert image.status == 200, image.status
    assert image.body.startswith(b"\x89PNG")
    return image


def latency(stack: Stack, rounds: int) -> dict[str, float]:
    """One client on an idle service: milliseconds from the request to the last byte of the image."""
    connection = Connection(stack.port)
    for _ in range(10):
        draw_and_fetch(connection)
    milliseconds = []
    for _ in range(rounds):
        started = perf_counter()
        draw_and_fetch(connection)
        milliseconds.append((perf_counter() - started) * 1000)
    connection.close()
    return percentiles(milliseconds)


def throughput(stack: Stack, charts: int) -> dict[str, float]:
    """Distinct charts, requested, drawn and fetched by many clients."""
    spread(stack.port, POSTERS, repeat(draw_and_fetch, 5 * POSTERS))
    before = stack.processor_ms()
    seconds = spread(stack.port, POSTERS, repeat(draw_and_fetch, charts))
    return {"charts_per_second": charts / seconds, **costs(stack, before, charts)}


def signals(stack: Stack, number: int) -> dict[str, float]:
    """Signals of an instrument without bars, which get no chart: the cost of ingest and of the event."""
    before = stack.processor_ms()
    body = {"instrument": "NONE", "side": "buy", "price": "1.5"}
    requests = (post("/api/v1/signals", body | {"version": f"v{version}"}) for version in range(number))

    def posting(request: bytes) -> Callable[[Connection], None]:
        def send(connection: Connection) -> None:
            response = connection.send(request)
            assert response.status == 201, response

        return send

    seconds = spread(stack.port, POSTERS, [posting(request) for request in requests])
    return {"signals_per_second": number / seconds, **costs(stack, before, number)}


def reads(stack: Stack, times: int) -> dict[str, dict[str, float]]:
    """Reads of cached images, complete and (`not_modified`) with their ETag, in pairs of runs.

    Other programs on the machine disturb both runs of a pair alike, so the median of the pairs' ratios is compared.
    """
    first = Connection(stack.port)
    images = [drawn(first, post(CHARTS, a_chart(), WAIT))["image_url"] for _ in range(IMAGES)]
    etags = [first.send(get(url)).header("ETag") for url in images]
    first.close()
    whole = [get(url) for url in images]
    conditional = [get(url, {"If-None-Match": etag}) for url, etag in zip(images, etags, strict=True)]
    kinds = {"reads": (whole, 200), "not_modified": (conditional, 304)}
    seconds: dict[str, list[float]] = {name: [] for name in kinds}
    used: dict[str, Counter[str]] = {name: Counter() for name in kinds}
    for requests, expected in kinds.values():
        _read(stack, requests, expected, IMAGES * READERS)
    times -= times % PAIRS
    for _ in range(PAIRS):
        for name, (requests, expected) in kinds.items():
            before = stack.processor_ms()
            seconds[name].append(_read(stack, requests, expected, times // PAIRS))
            used[name].update(costs(stack, before, times))
    report = {name: {"reads_per_second": times / sum(seconds[name]), **used[name]} for name in kinds}
    report["not_modified"]["speed_of_whole"] = median_ratio(seconds["reads"], seconds["not_modified"])
    return report


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """The median of the pairs' ratios, which stays right while less than half of the pairs are disturbed."""
    return statistics.median(above / below for above, below in zip(numerators, denominators, strict=True))


def _read(stack: Stack, requests: list[bytes], expected: int, times: int) -> float:
    """Send `times` requests in rotation, over all connections. Returns seconds."""
    rotation = cycle(requests)

    def read(connection: Connection) -> None:
        response = connection.send(next(rotation))
        assert response.status == expected, response.status

    return spread(stack.port, READERS, repeat(read, times))


def storm(stack: Stack) -> dict[str, float]:
    """Many clients request one chart at the same time."""
    before = stack.rendered()
    request = post(CHARTS, a_chart(), WAIT)
    ids = set()

    def request_chart(connection: Connection) -> None:
        ids.add(drawn(connection, request)["id"])

    seconds = spread(stack.port, EQUAL_CLIENTS, repeat(request_chart, EQUALS))
    return {"requests": EQUALS, "charts": len(ids), "renders": stack.rendered() - before, "seconds": seconds}


def costs(stack: Stack, before: dict[str, float], requests: int) -> dict[str, float]:
    """Milliseconds of processor time per request, by part."""
    return {f"{part}_ms": (after - before[part]) / requests for part, after in stack.processor_ms().items()}


def percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    return {"p50_ms": cuts[49], "p90_ms": cuts[89], "p99_ms": cuts[98], "best_ms": min(values)}


def run_all(database: str, *, quick: bool = False) -> dict[str, Any]:
    share = 10 if quick else 1
    with running_stack(database) as stack:
        report: dict[str, Any] = {
            "machine": machine(),
            "database": database,
            "idle": latency(stack, ROUNDS // share),
            "signals": signals(stack, SIGNALS // share),
            "sustained": throughput(stack, DISTINCT // share),
            **reads(stack, READS // share),
            "storm": storm(stack),
        }
    return report | {"goals": [goal.row() for goal in goals(report)]}


def goals(report: dict[str, Any]) -> list[Goal]:
    """The goals with the measured values. Times are those of an idle machine with two cores."""
    reading = report["reads"]["reads_per_second"]
    return [
        Goal("idle, request to image, p50 ms", report["idle"]["p50_ms"], "<=", 40),
        Goal("idle, request to image, p99 ms", report["idle"]["p99_ms"], "<=", 120),
        Goal("distinct charts a second", report["sustained"]["charts_per_second"], ">=", 60),
        Goal("image reads a second", reading, ">=", 2_000),
        # A 304 saves bytes, which cost little on loopback: it must be as fast as the image, within 10 % of noise.
        Goal("304s / image reads, paired", report["not_modified"]["speed_of_whole"], ">=", 0.9),
        Goal("renders of a storm of equals", report["storm"]["renders"], "<=", 1),
    ]


def lines_of(report: dict[str, Any]) -> Iterable[str]:
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield f"two web and two worker processes, {report['database']}\n"
    for name in ("idle", "signals", "sustained", "reads", "not_modified", "storm"):
        yield f"{name:14}" + "  ".join(f"{key} {value:,.2f}" for key, value in report[name].items())
    yield ""
    yield from (Goal.line(goal) for goal in report["goals"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pipeline", description=__doc__.split("\n\n")[0])
    parser.add_argument("--database", choices=("postgresql", "sqlite"), default="postgresql")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--json", action="store_true", help="a JSON document instead of the table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    options = parser.parse_args()
    report = run_all(options.database, quick=options.quick)
    print(json.dumps(report, indent=2) if options.json else "\n".join(lines_of(report)))
    return int(options.check and not all(goal["met"] for goal in report["goals"]))


if __name__ == "__main__":
    sys.exit(main())
