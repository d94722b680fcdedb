"""What is counted of the worker itself: its tasks and what waits for them."""

from __future__ import annotations

from datetime import datetime

from app.shared.metrics import FAST_BUCKETS, Counter, Gauge, Histogram

TASKS = Counter("celery_tasks_total", "Tasks run", ["task", "state"])
TASK_SECONDS = Histogram("celery_task_seconds", "Seconds of running one task", ["task"], buckets=FAST_BUCKETS)
MESSAGES_REFUSED = Counter(
    "broker_messages_refused_total", "Malformed messages that the worker refused and removed", ["reason"]
)
WAITING = Gauge("jobs_waiting", "Jobs that wait", ["queue"], multiprocess_mode="mostrecent")
OLDEST_SECONDS = Gauge(
    "jobs_oldest_seconds", "How long the oldest job has waited", ["queue"], multiprocess_mode="mostrecent"
)


def tell_backlog(queue: str, waiting: int, oldest: datetime | None, now: datetime) -> None:
    WAITING.labels(queue).set(waiting)
    OLDEST_SECONDS.labels(queue).set(max(0.0, (now - oldest).total_seconds()) if oldest else 0.0)
