"""Starts the web server: `python -m app.server`. Granian serves `wsgi:app`; this module checks, configures, starts it.

The parent process loads the application once, then Granian forks one child per worker process.
"""

from __future__ import annotations

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
from app.startup import preflight
from app.web import draining
from config import Settings

TARGET: Final = "app.server:application"
MAX_HEAD_BYTES: Final = 65_536
PARENT_POLL_SECONDS: Final = 0.5

LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {},
    "handlers": {},
    "loggers": {"_granian": {"handlers": [], "propagate": True}},
}
"""Hands Granian's own messages to the root logger, which writes JSON lines. The application logs each request."""


def main() -> None:
    """Check what the server needs, then serve until a signal ends it.

    Raises SystemExit: with one line when something is missing, with status 1 when a worker process dies again within
    seconds of its replacement.
    """
    settings = wsgi.settings
    preflight(settings)
    address = _free_address(settings)
    # Children share the memory of the loaded application and the draining flag.
    multiprocessing.set_start_method("fork")
    server = _server(settings, address)
    server.on_startup(lambda: _drain_on_sigterm(settings.web_drain_seconds))
    server.serve()


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
        workers=settings.web_concurrency,
        blocking_threads=settings.web_threads,
        backpressure=settings.web_connections,
        respawn_failed_workers=True,
        workers_kill_timeout=settings.web_graceful_timeout_seconds,
        log_level=LogLevels(settings.log_level.lower()),
        log_dictconfig=LOGGING,
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


def _drain_on_sigterm(seconds: float) -> None:
    """Make the first SIGTERM start draining, and Granian's own handling follow `seconds` later.

    Granian refuses new connections at once when it stops; a load balancer first needs time to notice. A second
    SIGTERM, or SIGINT, stops without waiting. Runs after Granian has set its signal handlers.
    """
    stop = signal.getsignal(signal.SIGTERM)

    def drain(_number: int, _frame: FrameType | None) -> None:
        draining.begin()
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    if seconds:
        signal.signal(signal.SIGTERM, drain)


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
