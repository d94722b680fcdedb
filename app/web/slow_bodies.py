"""Ends the reading of bodies that come too slowly: a drip of bytes must not hold one of few threads for ever.

A timeout on the socket would start anew with every byte, so one thread of each process looks at the clock for all.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Final

GRACE_SECONDS: Final = 5.0
SLOWEST_BYTES_PER_SECOND: Final = 50_000
LOOK_SECONDS: Final = 0.5


class Watchdog:
    """Shuts the reading side of sockets whose time is over; whoever reads them then finds the end of the stream."""

    def __init__(self) -> None:
        self._due: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def watching(self, connection: socket.socket, seconds: float) -> Iterator[None]:
        with self._lock:
            self._due[connection] = time.monotonic() + seconds
            # A thread does not live on in a forked child: there a new one is needed.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._look, name="slow-bodies", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._due.pop(connection, None)

    def _look(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                now = time.monotonic()
                for connection in [connection for connection, due in self._due.items() if due < now]:
                    del self._due[connection]
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RD)


def seconds_for(most_bytes: int) -> float:
    """The longest time a body of up to so many bytes may take."""
    return GRACE_SECONDS + most_bytes / SLOWEST_BYTES_PER_SECOND
