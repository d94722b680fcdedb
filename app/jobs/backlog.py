"""The backlog of each queue, read from its table: for the sweep, and for each scrape of a web process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.charts import jobs as charts
from app.events import service as events
from app.resources import Resources
from app.shared import logs
from app.shared.queue import CHARTS, EVENTS

WAITING: Final = "jobs_waiting"
WAITING_HELP: Final = "Waiting jobs"
OLDEST_SECONDS: Final = "jobs_oldest_seconds"
OLDEST_SECONDS_HELP: Final = "Age of the oldest waiting job, 0 when none waits"
CACHE_SECONDS: Final = 5.0

log = logs.get_logger(__name__)


class QueueBacklog(NamedTuple):
    """How many rows of a queue wait, and for how many seconds the oldest has waited (0 when none waits)."""

    queue: str
    waiting: int
    oldest_seconds: float


def read(session: Session, now: datetime) -> list[QueueBacklog]:
    """Read the backlog of the queues that keep their jobs in tables."""
    return [
        QueueBacklog(queue, waiting, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        for queue, (waiting, oldest) in ((EVENTS, events.backlog(session)), (CHARTS, charts.backlog(session)))
    ]


class BacklogCollector:
    """A Prometheus collector of the backlog. Reads the database at most once in CACHE_SECONDS. Thread-safe.

    While the database is unavailable the metrics are absent and the scrape succeeds.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._lock = threading.Lock()
        self._queues: list[QueueBacklog] = []
        self._expires = 0.0

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily(WAITING, WAITING_HELP, labels=["queue"])
        oldest = GaugeMetricFamily(OLDEST_SECONDS, OLDEST_SECONDS_HELP, labels=["queue"])
        for queue, count, oldest_seconds in self._current():
            waiting.add_metric([queue], count)
            oldest.add_metric([queue], oldest_seconds)
        return [waiting, oldest]

    def _current(self) -> list[QueueBacklog]:
        with self._lock:
            if time.monotonic() >= self._expires:
                self._queues = self._read()
                self._expires = time.monotonic() + CACHE_SECONDS
            return self._queues

    def _read(self) -> list[QueueBacklog]:
        try:
            with self._resources.database.reading() as session:
                return read(session, self._resources.clock())
        except SQLAlchemyError as error:
            log.warning("backlog_unknown", error=str(error))
            return []
