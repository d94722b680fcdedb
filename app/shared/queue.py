"""The Celery queues, and the client that publishes wake-ups. A lost wake-up is no loss: the sweep finds the rows."""

from __future__ import annotations

import time
from typing import Any, Final

from celery import Celery
from kombu import Exchange
from kombu import Queue as BrokerQueue
from kombu.exceptions import OperationalError

from app.shared.circuit_breaker import CircuitBreaker
from app.shared.redis_client import Command

EVENTS: Final = "events"
CHARTS: Final = "charts"
WEBHOOKS: Final = "webhooks"
MAINTENANCE: Final = "maintenance"
QUEUES: Final = tuple(
    BrokerQueue(name, Exchange(name), routing_key=name) for name in (EVENTS, CHARTS, WEBHOOKS, MAINTENANCE)
)

DISPATCH: Final = "worker.tasks.dispatch"
RENDER: Final = "worker.tasks.render"
SWEEP: Final = "worker.tasks.sweep"
CLEAN_UP: Final = "worker.tasks.clean_up"

PUBLISH_SECONDS: Final = 0.5
BREAK_SECONDS: Final = 5.0
WAKE_MILLISECONDS: Final = 1_000


def producer(broker_url: str) -> Celery:
    """A Celery app that only publishes, gives up after half a second, and never waits for a frozen broker."""
    celery = Celery("signalbox", broker=broker_url, set_as_current=False)
    celery.conf.update(
        broker_transport_options={
            "socket_timeout": PUBLISH_SECONDS,
            "socket_connect_timeout": PUBLISH_SECONDS,
            "max_retries": 0,
        },
        broker_pool_acquire_timeout=1.0,
        task_publish_retry=False,
        task_ignore_result=True,
        task_queues=QUEUES,
        task_create_missing_queues=False,
    )
    return celery


class Queue:
    """Publishes tasks by name. After a failure or a slow success, the broker is left alone for five seconds."""

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._breaker = CircuitBreaker("broker", BREAK_SECONDS)

    def publish(self, task: str, queue: str, *args: Any, task_id: str | None = None) -> bool:
        """Whether the broker took the message. False is no loss: the sweep wakes what is due."""
        if not self._breaker.allows_call():
            return False
        began = time.monotonic()
        try:
            self._celery.send_task(task, args=args, queue=queue, task_id=task_id)
        except (OperationalError, OSError) as error:
            self._breaker.record_failure(error)
            return False
        seconds = time.monotonic() - began
        if seconds > PUBLISH_SECONDS:
            # Each round trip was within its limit, but not all of them together.
            self._breaker.record_failure(f"publishing took {seconds:.1f} s")
        else:
            self._breaker.record_success()
        return True


def wake_up_command(queue: str) -> Command:
    """The Redis command that coalesces wake-ups: the caller that gets a reply other than None publishes.

    The task deletes the key before it reads what is due, so it serves all callers of the second before.
    """
    return "SET", wake_key(queue), 1, "NX", "PX", WAKE_MILLISECONDS


def wake_key(queue: str) -> str:
    return f"wake:{queue}"
