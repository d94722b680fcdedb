"""Metrics of the worker: tasks, refused messages, backlog, and the last runs of periodic tasks."""

from __future__ import annotations

from collections.abc import Iterable

from app.jobs import backlog
from app.jobs.backlog import QueueBacklog
from app.shared.metrics import FAST_BUCKETS, Counter, Gauge, Histogram

TASKS = Counter("celery_tasks_total", "Finished tasks", ["task", "state"])
TASK_SECONDS = Histogram("celery_task_seconds", "Seconds to run one task", ["task"], buckets=FAST_BUCKETS)
MESSAGES_REFUSED = Counter(
    "broker_messages_refused_total", "Malformed messages refused and removed by the worker", ["reason"]
)
WAITING = Gauge(backlog.WAITING, backlog.WAITING_HELP, ["queue"], multiprocess_mode="mostrecent")
OLDEST_SECONDS = Gauge(backlog.OLDEST_SECONDS, backlog.OLDEST_SECONDS_HELP, ["queue"], multiprocess_mode="mostrecent")
SWEPT_AT = Gauge(
    "sweep_last_success_timestamp_seconds",
    "Unix time of the end of the last sweep, 0 before the first",
    multiprocess_mode="max",
)
CLEANED_AT = Gauge(
    "cleanup_last_success_timestamp_seconds",
    "Unix time of the end of the last clean-up, 0 before the first",
    multiprocess_mode="max",
)


def set_backlog(queues: Iterable[QueueBacklog]) -> None:
    for queue, waiting, oldest_seconds in queues:
        WAITING.labels(queue).set(waiting)
        OLDEST_SECONDS.labels(queue).set(oldest_seconds)
