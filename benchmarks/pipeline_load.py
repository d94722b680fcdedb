"""A cheap HTTP client: sends prepared requests over keep-alive connections, so that the servers do most of the work."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

TIMEOUT_SECONDS: Final = 30.0
HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CLOSES: Final = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Response:
    """A response; `head` is everything before the empty line."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        match = re.search(rb"(?im)^%s: ([^\r\n]*)" % name.encode(), self.head)
        return match[1].decode() if match else ""

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


class Connection:
    """A keep-alive connection. Not thread-safe."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> Response:
        """Send a request and return its response. Reconnects once, when the server has closed an idle connection."""
        for again in (False, True):
            sock = self._open(again=again)
            try:
                sock.sendall(request)
                return self._receive(sock)
            except ConnectionError:
                if again:
                    raise
        raise AssertionError

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self, *, again: bool) -> socket.socket:
        if again:
            self.close()
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket

    def _receive(self, sock: socket.socket) -> Response:
        data = bytearray()
        while (end := data.find(HEAD_END)) < 0:
            data += _receive_chunk(sock)
        match = LENGTH.search(data, 0, end)
        length = int(match[1]) if match else 0
        start = end + len(HEAD_END)
        while len(data) < start + length:
            data += _receive_chunk(sock)
        if CLOSES.search(data, 0, end):
            self.close()
        return Response(int(data[9:12]), bytes(data[:end]), bytes(data[start:]))


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    return _request("GET", path, headers or {}, b"")


def post(path: str, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    return _request(
        "POST", path, {"Content-Type": "application/json", **(headers or {})}, json.dumps(document).encode()
    )


def spread(port: int, clients: int, work: Iterable[Callable[[Connection], object]]) -> float:
    """Do all work over `clients` connections in parallel. Returns seconds."""
    queue = iter(work)

    def client(_: int) -> None:
        connection = Connection(port)
        for send in queue:
            send(connection)
        connection.close()

    started = perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return perf_counter() - started


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _receive_chunk(sock: socket.socket) -> bytes:
    chunk = sock.recv(1 << 18)
    if not chunk:
        raise ConnectionResetError("the server closed the connection")
    return chunk
