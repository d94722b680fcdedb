"""Starts the web server: `python -m app.server` checks the settings, then runs Granian, which serves `wsgi:app`.

The parent process loads the application once, then Granian forks one child per worker process.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
from contextlib import closing
from types import FrameType
from typing import Any, Final

from flask import Flask
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

import wsgi
from app.shared import logs
from app.startup import preflight
from app.web.operations import draining
from config import Settings

TARGET: Final = "app.server:application"
MAX_HEAD_BYTES: Final = 65_536
PARENT_POLL_SECONDS: Final = 0.5
RESTART_SECONDS: Final = 0.5


class ThreadsWarningFilter(logging.Filter):
    """Drops Granian's warning about more threads than twice the cores.

    Threads of this service wait for a database or a chart most of the time, and `backpressure` is set: WEB_CONNECTIONS.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith("Configuration allows spawning up to ")


LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "filters": {"threads_warning": {"()": ThreadsWarningFilter}},
    "loggers": {"_granian": {"handlers": [], "filters": ["threads_warning"], "propagate": True}},
}
"""Hands Granian's own messages to the root logger, which writes JSON lines. The application logs each request."""

log = logs.get_logger(__name__)


def main() -> None:
    """Check what the server needs, then serve until a signal ends it.

    Raises SystemExit with one line when something is missing.
    """
    settings = wsgi.settings
    preflight(settings)
    _report_fewer_processes(settings)
    address = _free_address(settings)
    # Children share the memory of the loaded application and the draining flag.
    multiprocessing.set_start_method("fork")
    shutdown = _Shutdown(settings.web_drain_seconds)
    while not shutdown.requested:
        server = _server(settings, address)
        server.on_startup(shutdown.handle_signals)
        _serve(server, shutdown)


def application() -> Flask:
    """The application, loaded by the parent process. Granian calls this once in each worker process."""
    _stop_with_parent(wsgi.settings.web_graceful_timeout_seconds)
    return wsgi.app


def _server(settings: Settings, address: str) -> Any:
    return Granian(
        TARGET,
        factory=True,
        address=address,
        port=settings.port,
        interface=Interfaces.WSGI,
        websockets=False,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=int(settings.web_head_timeout_seconds * 1000), max_buffer_size=MAX_HEAD_BYTES
        ),
        workers=settings.web_processes,
        blocking_threads=settings.web_threads,
        backpressure=settings.web_connections,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.web_graceful_timeout_seconds,
        log_level=LogLevels(settings.log_level.lower()),
        log_dictconfig=LOGGING,
    )


def _report_fewer_processes(settings: Settings) -> None:
    """Log that SQLite is served by one process where WEB_CONCURRENCY asks for more."""
    if settings.web_concurrency > settings.web_processes:
        log.warning(
            "web_processes_limited",
            setting="WEB_CONCURRENCY",
            configured=settings.web_concurrency,
            started=settings.web_processes,
            reason="SQLite has one writer at a time; more processes need PostgreSQL",
        )


def _free_address(settings: Settings) -> str:
    """The IP address to listen on. Raises SystemExit with one line when it cannot be bound.

    Granian takes an IP address only, and its SO_REUSEPORT would let two servers share the port unnoticed.
    """
    try:
        candidates = socket.getaddrinfo(
            settings.web_host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        family, kind, _, _, address = candidates[0]
        with closing(socket.socket(family, kind)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        reason = error.strerror or error
        raise SystemExit(f"WEB_HOST, PORT: cannot listen on {settings.web_host}:{settings.port}: {reason}") from None
    return str(address[0])


class _Shutdown:
    """Handles signals. The first SIGTERM starts draining; `requested` is true once the server must stop.

    Granian refuses new connections as soon as it stops, and a load balancer needs time to notice that. A second
    SIGTERM, or SIGINT, stops the server without draining.
    """

    def __init__(self, drain_seconds: float) -> None:
        self.requested = False
        self._pid = os.getpid()
        self._drain_seconds = drain_seconds
        self._stop: Any = None

    def handle_signals(self) -> None:
        """Handle SIGTERM and SIGINT before Granian does. Runs after Granian has set its own signal handlers."""
        self._stop = signal.getsignal(signal.SIGTERM)
        signal.signal(signal.SIGTERM, self._drain)
        signal.signal(signal.SIGINT, self._stop_at_once)
        signal.signal(signal.SIGALRM, self._stop_at_once)
        if self.requested:
            self._stop(signal.SIGTERM, None)

    def _drain(self, number: int, frame: FrameType | None) -> None:
        self._end_new_worker()
        if self._drain_seconds and not draining.has_begun():
            draining.begin()
            signal.setitimer(signal.ITIMER_REAL, self._drain_seconds)
        else:
            self._stop_at_once(number, frame)

    def _stop_at_once(self, number: int, frame: FrameType | None) -> None:
        self._end_new_worker()
        self.requested = True
        self._stop(number, frame)

    def _end_new_worker(self) -> None:
        """End a worker process that gets a signal before it has its own handlers: it serves nothing yet.

        Until then it has its parent's handlers, which have no effect in a child, and the signal would be lost.
        """
        if os.getpid() != self._pid:
            os._exit(0)


def _serve(server: Any, shutdown: _Shutdown) -> None:
    """Serve until a signal, or until Granian gives up because a worker process died twice within seconds."""
    # Granian exits with 1 also when the signal that stops it has ended a worker process first.
    with contextlib.suppress(SystemExit):
        server.serve()
    if not shutdown.requested:
        log.error("web_server_restarts", reason="worker processes die", consequence="connections are refused meanwhile")
        time.sleep(RESTART_SECONDS)


def _stop_with_parent(graceful_seconds: float) -> None:
    """Stop this worker process when its parent dies: otherwise it would keep the port and serve on, unsupervised."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_POLL_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(graceful_seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


if __name__ == "__main__":
    main()
