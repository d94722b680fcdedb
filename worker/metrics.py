"""Metrics of the worker: tasks, refused messages, backlog, and the last runs of periodic tasks."""

from __future__ import annotations

from collections.abc import Iterable

from app.jobs import backlog
from app.jobs.backlog import QueueBacklog
from app.shared.metrics import FAST_BUCKETS, Counter, Gauge, Histogram

TASKS = Counter("celery_tasks_total", "Tasks run", ["task", "state"])
TASK_SECONDS = Histogram("celery_task_seconds", "Seconds of running one task", ["task"], buckets=FAST_BUCKETS)
MESSAGES_REFUSED = Counter(
    "broker_messages_refused_total", "Malformed messages that the worker refused and removed", ["reason"]
)
WAITING = Gauge(backlog.WAITING, backlog.WAITING_HELP, ["queue"], multiprocess_mode="mostrecent")
OLDEST_SECONDS = Gauge(backlog.OLDEST_SECONDS, backlog.OLDEST_SECONDS_HELP, ["queue"], multiprocess_mode="mostrecent")
SWEPT_AT = Gauge(
    "sweep_last_success_timestamp_seconds",
    "Unix time at which the last sweep ended; 0: none yet",
    multiprocess_mode="max",
)
CLEANED_AT = Gauge(
    "cleanup_last_success_timestamp_seconds",
    "Unix time at which the last clean-up ended; 0: none yet",
    multiprocess_mode="max",
)


def set_backlog(queues: Iterable[QueueBacklog]) -> None:
    for backlog_of_queue in queues:
        WAITING.labels(backlog_of_queue.queue).set(backlog_of_queue.waiting)
        OLDEST_SECONDS.labels(backlog_of_queue.queue).set(backlog_of_queue.oldest_seconds)
