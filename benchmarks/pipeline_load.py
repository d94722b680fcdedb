"""A client that costs next to nothing, prepared requests over kept connections: the servers are what is measured."""

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
class Answer:
    """An answer as it came; `head` up to the empty line."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str:
        found = re.search(rb"(?im)^%s: ([^\r\n]*)" % name.encode(), self.head)
        return found[1].decode() if found else ""

    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.body)
        return document


class Connection:
    """One kept connection. Not for two threads at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, request: bytes) -> Answer:
        """The answer. A connection that the server closed while it idled is made again, once."""
        for fresh in (False, True):
            held = self._open(again=fresh)
            try:
                held.sendall(request)
                return self._receive(held)
            except ConnectionError:
                if fresh:
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

    def _receive(self, held: socket.socket) -> Answer:
        data = bytearray()
        while (end := data.find(HEAD_END)) < 0:
            data += _some(held)
        told = LENGTH.search(data, 0, end)
        length = int(told[1]) if told else 0
        start = end + len(HEAD_END)
        while len(data) < start + length:
            data += _some(held)
        if CLOSES.search(data, 0, end):
            self.close()
        return Answer(int(data[9:12]), bytes(data[:end]), bytes(data[start:]))


def get(path: str, headers: Mapping[str, str] | None = None) -> bytes:
    return _request("GET", path, headers or {}, b"")


def post(path: str, document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
    return _request(
        "POST", path, {"Content-Type": "application/json", **(headers or {})}, json.dumps(document).encode()
    )


def spread(port: int, clients: int, work: Iterable[Callable[[Connection], object]]) -> float:
    """Do all of it over this many connections at once; the seconds it took."""
    waiting = iter(work)

    def client(_: int) -> None:
        connection = Connection(port)
        for piece in waiting:
            piece(connection)
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


def _some(held: socket.socket) -> bytes:
    part = held.recv(1 << 18)
    if not part:
        raise ConnectionResetError("the server closed the connection")
    return part
