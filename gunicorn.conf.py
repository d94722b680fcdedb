"""The web server's settings, from the same environment variables as the application's; read by gunicorn at start."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path
from typing import Any

from gunicorn.glogging import Logger

from app.shared import logs
from app.startup import preflight
from app.web import draining
from app.web.gunicorn_worker import Worker
from config import Settings, SettingsError

try:
    settings = Settings.from_env()
except SettingsError as error:
    # gunicorn would show a traceback; whoever starts it needs the names of the settings alone.
    raise SystemExit(str(error)) from None

logs.configure(settings.log_level)

GARBAGE_OBJECTS = 20_000
"""New objects until the next search for garbage. A request makes hundreds, and hardly any in circles; at Python's 700
a batch of signals would be searched dozens of times.
"""


class JsonLogger(Logger):  # type: ignore[misc]
    """Hands gunicorn's own messages to the application's log, one JSON object a line as everything else."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def on_starting(_server: object) -> None:
    """Refuse to start, in one line, while what every request needs is missing."""
    preflight(settings)


def when_ready(_server: object) -> None:
    """With the first SIGTERM only say that the server stops; stop when a load balancer had time to hear of it.

    gunicorn closes its listener at once, and what the kernel had taken for it but no process had picked up is cut.
    A second SIGTERM stops at once.
    """
    stop = signal.getsignal(signal.SIGTERM)

    def drain(_number: int, _frame: object) -> None:
        draining.begin()
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, max(settings.web_drain_seconds, 1e-6))

    signal.signal(signal.SIGTERM, drain)


def pre_fork(_server: object, _worker: object) -> None:
    """Leave what was loaded out of every search for garbage, which would go through all of it again and again."""
    gc.freeze()


def post_worker_init(_worker: object) -> None:
    gc.set_threshold(GARBAGE_OBJECTS)


bind = f"{settings.web_host}:{settings.port}"
workers = settings.web_concurrency
worker_class = Worker
threads = settings.web_threads
# The application is made once before the fork: a mistake in it ends the start instead of every worker in turn.
preload_app = True
graceful_timeout = settings.web_graceful_timeout_seconds
keepalive = 5
# Longest URL the API needs is a cursor with every filter; longest header a signature list.
limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190
loglevel = settings.log_level.lower()
logger_class = JsonLogger
accesslog = None  # the application logs each request with its id, route and time
control_socket_disable = True
# Heartbeats are file changes: in memory they cannot be held up by a slow disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
