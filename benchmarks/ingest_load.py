"""Sends prepared bodies over keep-alive connections, as fast as possible or at a fixed rate, and measures latencies.

Uses wrk where it is installed, since wrk takes the least processor time. Otherwise, and for a fixed rate, uses a driver
of one thread in this module.
"""

from __future__ import annotations

import json
import selectors
import shutil
import socket
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Final

SCRIPT: Final = Path(__file__).with_suffix(".lua")
HEAD_END: Final = b"\r\n\r\n"
TIMEOUT_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a load: numbers of responses, refusals (status 400 and above) and broken connections; latencies."""

    responses: int
    refusals: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        return self.responses / self.seconds


@dataclass(frozen=True, slots=True)
class Target:
    """The address on loopback that requests go to."""

    port: int
    path: str
    method: str = "POST"


def drive(target: Target, bodies: Sequence[bytes], *, clients: int, seconds: float) -> Outcome:
    """Send each body once, until `seconds` are over or no bodies are left."""
    if shutil.which("wrk") is None:
        driver = Driver(target, clients)
        try:
            return driver.run(iter(bodies), seconds=seconds)
        finally:
            driver.close()
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\n".join(bodies))
        file.flush()
        arguments = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds:.0f}s"]
        arguments += ["--timeout", f"{TIMEOUT_SECONDS:.0f}s", "--script", str(SCRIPT)]
        arguments += [f"http://127.0.0.1:{target.port}{target.path}", "--", file.name, target.method]
        ended = subprocess.run(arguments, check=False, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"wrk, {target}: {ended.stdout}{ended.stderr}")
    counted = json.loads(ended.stdout.rsplit("\n", 2)[-2])
    return Outcome(**counted)


def drive_for(
    target: Target, bodies: Iterator[bytes], *, clients: int, seconds: float, rate: float, begin: Callable[[], None]
) -> Outcome:
    """Send bodies for `seconds`, as `drive` does, after preparing enough of them for `rate` requests a second.

    A faster server uses them up: then the run is repeated with twice as many. `begin` is called before each run.
    """
    while True:
        prepared = list(islice(bodies, int(seconds * rate) + clients))
        begin()
        outcome = drive(target, prepared, clients=clients, seconds=seconds)
        if outcome.responses + outcome.broken < len(prepared):
            return outcome
        rate *= 2


@dataclass(slots=True)
class _Client:
    """One connection, the start time of its request, and the response so far."""

    socket: socket.socket
    began: float = 0.0
    response: bytearray = field(default_factory=bytearray)


class Driver:
    """The driver of one thread. At a fixed rate, latency counts from the time at which the request was due."""

    def __init__(self, target: Target, clients: int) -> None:
        self._target = target
        self._selector = selectors.DefaultSelector()
        self._idle = deque(_Client(self._connect()) for _ in range(clients))
        self._clients = clients
        self.times: list[float] = []
        self.refusals = 0
        self.broken = 0

    def run(self, bodies: Iterator[bytes], *, seconds: float, rate: float | None = None) -> Outcome:
        began = perf_counter()
        sent = 0
        more = True
        while more or len(self._idle) < self._clients:
            now = perf_counter()
            more = more and now < began + seconds
            while more and self._idle and (rate is None or began + sent / rate <= now):
                body = next(bodies, None)
                more = body is not None
                if body is not None:
                    self._send(body, now if rate is None else began + sent / rate)
                    sent += 1
            for key, _ in self._selector.select(0.001 if rate else 0.1):
                self._receive(key.data)
        return self._outcome(perf_counter() - began)

    def close(self) -> None:
        for client in self._idle:
            client.socket.close()
        self._selector.close()

    def _outcome(self, seconds: float) -> Outcome:
        times = sorted(self.times) or [0.0]
        p50, p99 = (times[int(share * (len(times) - 1))] * 1000 for share in (0.5, 0.99))
        return Outcome(len(self.times), self.refusals, self.broken, seconds, p50, p99)

    def _connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self._target.port), timeout=TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _send(self, body: bytes, due: float) -> None:
        # Use all connections in rotation: the server closes one that is idle for seconds.
        client = self._idle.popleft()
        client.began = due
        head = f"{self._target.method} {self._target.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += "Content-Type: application/json\r\n"
        try:
            client.socket.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            self._renew(client)
            return
        self._selector.register(client.socket, selectors.EVENT_READ, client)

    def _receive(self, client: _Client) -> None:
        try:
            chunk = client.socket.recv(1 << 18)
        except OSError:
            chunk = b""
        client.response += chunk
        if chunk and not _is_complete(client.response):
            return
        self._selector.unregister(client.socket)
        if not chunk:
            self._renew(client)
            return
        self.times.append(perf_counter() - client.began)
        self.refusals += int(client.response[9:10] >= b"4")
        closed = b"\r\nconnection: close" in client.response.partition(HEAD_END)[0].lower()
        client.response.clear()
        if closed:
            client.socket.close()
            client.socket = self._connect()
        self._idle.append(client)

    def _renew(self, client: _Client) -> None:
        """Replace a connection that broke during a request."""
        self.broken += 1
        client.socket.close()
        client.response.clear()
        client.socket = self._connect()
        self._idle.append(client)


def _is_complete(response: bytearray) -> bool:
    head, end, body = response.partition(HEAD_END)
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return body.endswith(b"0\r\n\r\n")
