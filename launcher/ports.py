"""Finds free ports on the loopback interface."""

from __future__ import annotations

import socket
from typing import Final

LOOPBACK: Final = "127.0.0.1"
CONNECT_SECONDS: Final = 0.5


def accepts_connections(host: str, port: int, seconds: float = CONNECT_SECONDS) -> bool:
    """Whether a server accepts connections at this address."""
    try:
        with socket.create_connection((host, port), timeout=seconds):
            return True
    except OSError:
        return False


def is_free(port: int) -> bool:
    """Whether a server could bind the port now. Connections in TIME_WAIT do not matter."""
    if accepts_connections(LOOPBACK, port):
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(preferred: int) -> int:
    """The preferred port, or one that the system chooses when the preferred one is in use."""
    if is_free(preferred):
        return preferred
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
