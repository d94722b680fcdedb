"""Measures the chart engine: time per chart, compared with an empty canvas and with other libraries, and memory.

    python -m benchmarks.render [--peers] [--json] [--check] [--rounds 15]

Real daily bars, 1200x600 PNG, one process, medians. Each round runs every renderer once, so that a busy moment of the
machine disturbs all of them alike.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from app.charts.rendering import engine
from app.market.domain import Bars
from benchmarks.render_cases import (
    HEIGHT,
    ROOT,
    USUAL,
    WIDTH,
    Timed,
    blank,
    full_chart,
    live_signal,
    measure,
    ours,
    sample_bars,
    stages,
    timed,
    usual_chart,
)

SIZES: Final = (100, 500, 2_000, 10_000)
PEER_SIZES: Final = (100, 500, 2_000)
MEMORY_RENDERS: Final = 1_000
MB: Final = 1e6


def engine_cases() -> dict[str, Timed]:
    usual = usual_chart(USUAL)
    return {
        "blank canvas, encoded": timed(blank),
        **{f"{count} bars": ours(usual_chart(count)) for count in SIZES},
        "full chart": ours(full_chart()),
        "live signal": ours(live_signal()),
        "scale 2": ours(replace(usual, scale=2)),
    }


def peer_results(rounds: int) -> tuple[dict[str, dict[str, dict[str, float]]], list[str]]:
    """The engine and every peer, for each number of bars."""
    from benchmarks.render_peers import available_peers

    results: dict[str, dict[str, dict[str, float]]] = {}
    with available_peers() as (peers, missing):
        for count in PEER_SIZES:
            spec = usual_chart(count)
            assert isinstance(spec.data, Bars)
            for peer in peers:
                peer.load(spec.data, WIDTH, HEIGHT)
            cases: dict[str, Timed] = {"signalbox": ours(spec), **{peer.name: peer.render for peer in peers}}
            results[str(count)] = measure(cases, rounds)
    return results, missing


def first_render() -> dict[str, float]:
    """Milliseconds of the first chart of this process after the warm-up, and the median of the following ones."""
    engine.warm_up()
    spec = usual_chart(USUAL)
    run = ours(spec)
    first, _ = run()
    return {"first_ms": first, "median_ms": statistics.median(run()[0] for _ in range(20))}


def memory_growth() -> dict[str, float]:
    """Growth of the process's peak memory over many different charts, after a hundred charts."""
    bars = sample_bars(USUAL + MEMORY_RENDERS)
    spec = usual_chart(USUAL)

    def draw(start: int) -> None:
        columns = {name: getattr(bars, name)[start : start + USUAL] for name in Bars.__slots__}
        engine.render(replace(spec, data=Bars(**columns), title=f"GOOG {start}"))

    for start in range(100):
        draw(start)
    before = _peak_bytes()
    for start in range(MEMORY_RENDERS):
        draw(start)
    return {"peak_mb": _peak_bytes() / MB, "growth_mb": (_peak_bytes() - before) / MB}


CHILDREN: Final[dict[str, Callable[[], dict[str, float]]]] = {"first": first_render, "memory": memory_growth}


def in_fresh_process(name: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.render", "--child", name]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def goals(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The goals with the measured values. Times are those of an idle machine; ratios should hold everywhere."""
    medians = {name: case["median_ms"] for name, case in report["engine"].items()}
    first, memory = report["first"], report["memory"]
    promises = [
        ("500 bars, ms", medians["500 bars"], "<=", 8.0),
        ("full chart, ms", medians["full chart"], "<=", 20.0),
        ("live signal, ms", medians["live signal"], "<=", 6.0),
        ("10,000 bars / 100 bars", medians["10000 bars"] / medians["100 bars"], "<=", 2.5),
        ("scale 2 / scale 1", medians["scale 2"] / medians["500 bars"], "<=", 3.0),
        ("first render / median", first["first_ms"] / first["median_ms"], "<=", 2.0),
        ("memory growth of 1,000 renders, MB", memory["growth_mb"], "<", 5.0),
    ]
    usual = report.get("peers", {}).get(str(USUAL), {})
    for name, minimum in (("mplfinance", 60.0), ("vl-convert", 10.0), ("Chart.js on Skia", 5.0)):
        if name in usual:
            ratio = usual[name]["median_ms"] / usual["signalbox"]["median_ms"]
            promises.append((f"{name} / signalbox", ratio, ">=", minimum))
    compare: dict[str, Callable[[float, float], bool]] = {
        "<=": lambda value, bound: value <= bound,
        "<": lambda value, bound: value < bound,
        ">=": lambda value, bound: value >= bound,
    }
    return [
        {"goal": goal, "measured": value, "bound": f"{sign} {bound:g}", "met": compare[sign](value, bound)}
        for goal, value, sign, bound in promises
    ]


def machine() -> dict[str, Any]:
    processor = next(
        (line.split(":", 1)[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "matplotlib": version("matplotlib"),
        "numpy": version("numpy"),
    }


def run_all(rounds: int, *, with_peers: bool) -> dict[str, Any]:
    engine.warm_up()
    report: dict[str, Any] = {"machine": machine(), "rounds": rounds, "engine": measure(engine_cases(), rounds)}
    report["stages"] = {
        "500 bars": stages(usual_chart(USUAL), rounds),
        "full chart": stages(full_chart(), rounds),
        "live signal": stages(live_signal(), rounds),
    }
    if with_peers:
        report["peers"], report["missing"] = peer_results(rounds)
    report |= {name: in_fresh_process(name) for name in CHILDREN}
    report["notes"] = sorted({note for count in SIZES for note in engine.render(usual_chart(count)).warnings})
    report["goals"] = goals(report)
    return report


def lines_of(report: dict[str, Any]) -> Iterable[str]:
    yield ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    yield f"\n{WIDTH}x{HEIGHT} PNG, median and best of {report['rounds']} rounds\n"
    yield from (_row(name, case) for name, case in report["engine"].items())
    yield "\nwhere the milliseconds go\n"
    for name, steps in report["stages"].items():
        yield f"{name:24}" + ", ".join(f"{step} {milliseconds:.1f}" for step, milliseconds in steps.items())
    for count, results in report.get("peers", {}).items():
        yield f"\n{count} bars with volume\n"
        own = results["signalbox"]["median_ms"]
        yield from (f"{_row(name, case)} {case['median_ms'] / own:8.1f}x" for name, case in results.items())
    yield from report.get("missing", ())
    yield "\ngoals\n"
    for goal in report["goals"]:
        yield f"{goal['goal']:36}{goal['measured']:9.2f}  {goal['bound']:8} {'met' if goal['met'] else 'MISSED'}"
    yield from (f"note: {note}" for note in report["notes"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.render", description=__doc__.split("\n\n")[0])
    parser.add_argument("--peers", action="store_true", help="also mplfinance, vl-convert and Chart.js (with Node)")
    parser.add_argument("--json", action="store_true", help="a JSON document instead of the table")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a goal is missed")
    parser.add_argument("--rounds", type=int, default=15, help="runs of every case (default 15)")
    parser.add_argument("--child", choices=CHILDREN, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(CHILDREN[options.child]()))
        return 0
    report = run_all(options.rounds, with_peers=options.peers)
    print(json.dumps(report, indent=2) if options.json else "\n".join(lines_of(report)))
    return int(options.check and not all(goal["met"] for goal in report["goals"]))


def _row(name: str, case: dict[str, float]) -> str:
    return f"{name:24}{case['median_ms']:9.1f} ms {case['best_ms']:9.1f} ms {case['bytes'] / 1000:8.1f} kB"


def _peak_bytes() -> int:
    """Peak resident memory. On Linux, getrusage would include that of the parent before the fork."""
    for line in _lines("/proc/self/status"):
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
