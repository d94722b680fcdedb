"""The Celery app, the resources of each worker process, and logs and metrics of every task."""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import replace
from typing import Any

import prometheus_client
import structlog
from celery import Celery, Task, signals
from celery.apps.worker import Worker
from kombu.transport.redis import Transport as RedisTransport

from worker import folders  # noqa: F401 - checks on import

# isort: split
from app.charts.rendering import engine
from app.resources import Resources
from app.shared import logs
from app.shared.metrics import registry
from app.shared.queue import CHARTS, CLEAN_UP, MAINTENANCE, QUEUES, SWEEP
from app.startup import preflight
from config import Settings, SettingsError
from worker import metrics

log = logs.get_logger(__name__)


def _settings() -> Settings:
    try:
        return Settings.from_env()
    except SettingsError as error:
        raise SystemExit(str(error)) from None


def _every(seconds: float, task: str) -> dict[str, Any]:
    """An entry of beat's schedule. Each task is idempotent and takes a lease, so a second beat does no harm."""
    # A message expires after one period: while no worker runs, later ones would only pile up behind it.
    return {"task": task, "schedule": seconds, "options": {"queue": MAINTENANCE, "expires": seconds}}


settings = _settings()
# When a connection is lost while messages are unacknowledged, the transport may raise AttributeError as it restores
# them. The worker recovers from the transport's connection errors by connecting again; any other error would end it.
RedisTransport.connection_errors = (*RedisTransport.connection_errors, AttributeError)
app = Celery("signalbox", broker=settings.broker_url, include=["worker.tasks"])
app.conf.update(
    broker_transport_options={
        "visibility_timeout": 300,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 2,
        "socket_keepalive": True,
        "health_check_interval": 10,
    },
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # A full broker refuses the worker's writes. That must not end the worker.
    broker_channel_error_retry=True,
    task_acks_late=True,
    task_ignore_result=True,
    task_soft_time_limit=20,
    task_time_limit=30,
    task_queues=QUEUES,
    task_default_queue=MAINTENANCE,
    task_create_missing_queues=False,
    accept_content=["json"],
    worker_consumer="worker.consumer:Consumer",
    worker_concurrency=settings.worker_concurrency,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=30.0,
    worker_enable_soft_shutdown_on_idle=True,
    worker_max_memory_per_child=400_000,
    beat_schedule={
        "sweep": _every(settings.sweep_interval_seconds, SWEEP),
        "clean-up": _every(settings.cleanup_interval_seconds, CLEAN_UP),
    },
    beat_max_loop_interval=min(5.0, settings.sweep_interval_seconds),
)


_started: dict[str, float] = {}


@functools.cache
def process_resources() -> Resources:
    """The resources of this process. Built on first use, after the fork."""
    # A worker writes images and reads none, so it needs no local cache.
    return Resources.build(replace(settings, media_local_bytes=0))


@signals.setup_logging.connect
def _configure_logs(**_: Any) -> None:
    logs.configure(settings.log_level)
    # These log the start and the end of each task, which `_task_ended` does with more fields.
    for name in ("celery.app.trace", "celery.worker.strategy"):
        logging.getLogger(name).setLevel(logging.WARNING)


@signals.worker_init.connect
def _prepare(sender: Worker, **_: Any) -> None:
    """Before the fork: check the database, load the fonts and draw one chart of each type to warm up."""
    # Celery sends `setup_logging` after this signal, so the preflight's log lines would be lost.
    logs.configure(settings.log_level)
    preflight(settings)
    if CHARTS in sender.app.amqp.queues.consume_from:
        for path in engine.use_fonts(settings.font_folders):
            log.warning("font_unreadable", path=path)
        engine.warm_up()
    if settings.worker_metrics_port:
        prometheus_client.start_http_server(
            settings.worker_metrics_port, settings.worker_metrics_host, registry=registry()
        )


@signals.worker_process_init.connect
def _start_process(**_: Any) -> None:
    # Resources built by the parent would share its connections.
    process_resources.cache_clear()


@signals.worker_process_shutdown.connect
def _stop_process(**_: Any) -> None:
    if process_resources.cache_info().currsize:
        process_resources().close()


@signals.task_prerun.connect
def _task_starts(task_id: str, task: Task[..., Any], **_: Any) -> None:
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(task=task.name, task_id=task_id)
    _started[task_id] = time.perf_counter()


@signals.task_postrun.connect
def _task_ended(task_id: str, task: Task[..., Any], state: str | None, **_: Any) -> None:
    seconds = time.perf_counter() - _started.pop(task_id)
    metrics.TASKS.labels(task.name, state).inc()
    metrics.TASK_SECONDS.labels(task.name).observe(seconds)
    log.info("task_done", state=state, milliseconds=round(seconds * 1000, 1))
