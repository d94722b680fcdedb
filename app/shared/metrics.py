"""Metrics of many processes as one: prometheus-client's shared files, one per process slot.

Every slice makes its metrics through this module, so that the choice of value class below comes first.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess, values
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

__all__ = [
    "CONTENT_TYPE",
    "FAST_BUCKETS",
    "Counter",
    "Gauge",
    "Histogram",
    "LimitedLabel",
    "exposition",
    "registry",
    "shared_folder",
]

CONTENT_TYPE: Final = prometheus_client.CONTENT_TYPE_LATEST
FAST_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MOST_SLOTS: Final = 1024


def shared_folder() -> Path | None:
    """Where the processes of this server keep their metrics together; None when each stands alone."""
    # prometheus-client itself reads this variable, at import: settings would come too late.
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # noqa: TID251
    return Path(folder) if folder else None


class _Slots:
    """Gives each process the lowest number no living process holds.

    With process ids for names, every child that ever lived would leave files behind. A lock on the slot's file ends
    with its process, however that ends, and the next process goes on counting in the same files.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[int, tuple[int, IO[str]]] = {}

    def __call__(self) -> int:
        process = os.getpid()
        if process not in self._held:
            self._held = {process: self._take()}
        return self._held[process][0]

    def _take(self) -> tuple[int, IO[str]]:
        self._folder.mkdir(parents=True, exist_ok=True)
        for slot in range(MOST_SLOTS):
            file = (self._folder / f"slot-{slot}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
            else:
                return slot, file
        raise RuntimeError(f"more than {MOST_SLOTS} processes share {self._folder}")


def _use_slots() -> None:
    folder = shared_folder()
    if folder is not None:
        values.ValueClass = values.MultiProcessValue(_Slots(folder))  # type: ignore[no-untyped-call]


_use_slots()


def registry(*collectors: Collector) -> CollectorRegistry:
    """All metrics of this server's processes, and those of `collectors`, which replace any of the same name."""
    registry = CollectorRegistry()
    registry.register(_Replacing(_shared_or_own(), collectors))
    return registry


def exposition(*collectors: Collector) -> bytes:
    """The same in Prometheus' text format."""
    return prometheus_client.generate_latest(registry(*collectors))


def _shared_or_own() -> Collector:
    if shared_folder() is None:
        return prometheus_client.REGISTRY
    return multiprocess.MultiProcessCollector(None)  # type: ignore[no-untyped-call]


class _Replacing:
    """Two processes may share a folder where one counts in it what the other computes at each scrape."""

    def __init__(self, base: Collector, collectors: Iterable[Collector]) -> None:
        self._base = base
        self._collectors = tuple(collectors)

    def collect(self) -> Iterable[Metric]:
        families = [family for collector in self._collectors for family in collector.collect()]
        replaced = {family.name for family in families}
        return [*families, *(family for family in self._base.collect() if family.name not in replaced)]


class LimitedLabel:
    """Keeps a label that callers choose from making endless series: the first or the allowed ones, else `other`."""

    def __init__(self, allowed: Iterable[str] = (), most: int = 50) -> None:
        self._fixed = frozenset(allowed)
        self._seen = set(self._fixed)
        self._most = most
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        if value in self._seen:
            return value
        if self._fixed:
            return "other"
        with self._lock:
            if len(self._seen) >= self._most:
                return "other"
            self._seen.add(value)
            return value
