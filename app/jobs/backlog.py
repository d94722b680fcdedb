"""The backlog of each queue, read from the rows: for the sweep, and for Prometheus at each scrape of a web process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.charts import jobs as charts
from app.events import service as events
from app.resources import Resources
from app.shared import logs
from app.shared.queue import CHARTS, EVENTS

WAITING: Final = "jobs_waiting"
WAITING_HELP: Final = "Jobs that wait"
OLDEST_SECONDS: Final = "jobs_oldest_seconds"
OLDEST_SECONDS_HELP: Final = "How long the oldest job has waited"
CACHE_SECONDS: Final = 5.0

log = logs.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class QueueBacklog:
    """How many rows of a queue wait, and how long the oldest of them has waited (0 when none waits)."""

    queue: str
    waiting: int
    oldest_seconds: float


def read(session: Session, now: datetime) -> list[QueueBacklog]:
    """The backlog of every queue that has rows."""
    return [
        QueueBacklog(queue, waiting, max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
        for queue, (waiting, oldest) in ((EVENTS, events.backlog(session)), (CHARTS, charts.backlog(session)))
    ]


class BacklogCollector:
    """Gives Prometheus the backlog, read from the database at most once in CACHE_SECONDS. Safe for many threads.

    While the database does not answer there is no backlog to give: the metrics are absent, and the scrape succeeds.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._lock = threading.Lock()
        self._queues: list[QueueBacklog] = []
        self._expires = 0.0

    def collect(self) -> Iterable[Metric]:
        waiting = GaugeMetricFamily(WAITING, WAITING_HELP, labels=["queue"])
        oldest = GaugeMetricFamily(OLDEST_SECONDS, OLDEST_SECONDS_HELP, labels=["queue"])
        for backlog in self._current():
            waiting.add_metric([backlog.queue], backlog.waiting)
            oldest.add_metric([backlog.queue], backlog.oldest_seconds)
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
