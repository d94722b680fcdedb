"""Metrics of many processes as one: prometheus-client's shared files, one per process slot.

Every slice makes its metrics through this module, so that the choice of value class below comes first.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.shared import logs, metric_files

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

log = logs.get_logger(__name__)


def shared_folder() -> Path | None:
    """The folder in which the processes of this server share their metrics; None where each has its own."""
    # prometheus-client itself reads this variable, at import: settings would come too late.
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # noqa: TID251
    return Path(folder) if folder else None


def _share() -> None:
    folder = shared_folder()
    if folder is not None:
        metric_files.use(folder)


_share()


def registry(*collectors: Collector) -> CollectorRegistry:
    """All metrics of this server's processes, and those of `collectors`, which replace any of the same name."""
    registry = CollectorRegistry()
    registry.register(_Replacing(_shared_or_own(), collectors))
    return registry


def exposition(*collectors: Collector) -> bytes:
    """All metrics in Prometheus' text format."""
    return prometheus_client.generate_latest(registry(*collectors))


def _shared_or_own() -> Collector:
    return prometheus_client.REGISTRY if shared_folder() is None else _OfAllProcesses()


class _OfAllProcesses:
    """The shared metrics of all processes, and the series of this process that have no room in the shared files."""

    def collect(self) -> Iterable[Metric]:
        own = {family.name: family for family in prometheus_client.REGISTRY.collect()}
        try:
            shared = list(multiprocess.MultiProcessCollector(None).collect())  # type: ignore[no-untyped-call]
        except (OSError, ValueError, struct.error) as error:
            log.warning("metrics_unreadable", error=str(error))
            return own.values()
        families = {family.name: family for family in shared}
        for name in metric_files.in_memory() & own.keys():
            _add_missing(families.setdefault(name, Metric(name, own[name].documentation, own[name].type)), own[name])
        return families.values()


def _add_missing(family: Metric, own: Metric) -> None:
    present = {(sample.name, frozenset(sample.labels.items())) for sample in family.samples}
    family.samples += [
        sample
        for sample in own.samples
        if (sample.name, frozenset(sample.labels.items())) not in present and not sample.name.endswith("_created")
    ]


class _Replacing:
    """Metrics of `collectors`, in place of those in the shared files with the same names."""

    def __init__(self, base: Collector, collectors: Iterable[Collector]) -> None:
        self._base = base
        self._collectors = tuple(collectors)

    def collect(self) -> Iterable[Metric]:
        families = [family for collector in self._collectors for family in collector.collect()]
        replaced = {family.name for family in families}
        return [*families, *(family for family in self._base.collect() if family.name not in replaced)]


class LimitedLabel:
    """Limits the values of a label that callers choose: the allowed values or the first `limit` ones, else `other`."""

    def __init__(self, allowed: Iterable[str] = (), limit: int = 50) -> None:
        self._fixed = frozenset(allowed)
        self._seen = set(self._fixed)
        self._limit = limit
        self._lock = threading.Lock()

    def __call__(self, value: str) -> str:
        if value in self._seen:
            return value
        if self._fixed:
            return "other"
        with self._lock:
            if len(self._seen) >= self._limit:
                return "other"
            self._seen.add(value)
            return value
