"""Runs the project's Caddyfile, and the two servers that stand behind it in the tests."""

from __future__ import annotations

import socket
import socketserver
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from benchmarks import caddy
from tests.processes import free_port

START_SECONDS = 30
STOP_SECONDS = 20
ANSWER_SECONDS = 30
SLOW_SECONDS = 4
"""The time limits of heads, bodies and writes in the tests."""
RECORDED_BODY = b'{"filler": "%s"}' % (b"x" * 2_000)
"""What a recorder answers: JSON that is long enough to be worth compressing."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Proxy:
    """A running Caddy: the port of its site, the port that redirects, and where it logs."""

    port: int
    http_port: int
    log: Path
    storage: Path

    def connect(self, receive_buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(ANSWER_SECONDS)
        connection.connect(("127.0.0.1", self.port))
        return connection

    def send(self, *chunks: bytes, half_close: bool = False) -> Reply:
        """Send bytes on a connection of their own and read one reply."""
        with self.connect() as connection:
            for chunk in chunks:
                connection.sendall(chunk)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            return read_reply(connection)

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        return self.send(head(method, path, **{"content-length": str(len(body)), **headers}) + body)


def head(method: str, path: str, **headers: str) -> bytes:
    """A request's head. Underscores in names stand for hyphens."""
    fields = {"host": "signals.example", "content-type": "application/json", **headers}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunks(body: bytes, size: int = 1000) -> bytes:
    """The body in the chunked transfer coding."""
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def read_reply(connection: socket.socket) -> Reply:
    """Read one reply with a Content-Length. Raises ConnectionError when there is none."""
    with connection.makefile("rb") as stream:
        return read_from(stream)


def read_from(stream: BinaryIO) -> Reply:
    """The same from a stream, which may hold more replies."""
    first = stream.readline()
    if not first:
        raise ConnectionError("closed without a reply")
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    status = int(first.split()[1])
    length = 0 if status == HTTPStatus.NOT_MODIFIED else int(headers.get("content-length", "0"))
    return Reply(status, headers, stream.read(length))


@contextmanager
def proxy(upstream: str, folder: Path, domain: str | None = None, **variables: str) -> Iterator[Proxy]:
    """Caddy in front of `upstream` (host:port). Without a domain it speaks plain HTTP and takes any host."""
    port, http_port, other_port = free_port(), free_port(), free_port()
    environment = {
        **caddy.environment(
            upstream, folder, port=port, http_port=http_port, https_port=port if domain else other_port
        ),
        **({"DOMAIN": domain} if domain else {}),
        **{f"PROXY_{name}_TIMEOUT": f"{SLOW_SECONDS}s" for name in ("HEADER", "BODY", "WRITE")},
        **variables,
    }
    log = folder / "caddy.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            caddy.command(),
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_listening(process, (port, http_port), log)
        yield Proxy(port, http_port, log, folder / "caddy" / "caddy")
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        finally:
            process.kill()
            process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], ports: tuple[int, ...], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    for port in ports:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"did not start:\n{log.read_text()}") from None
                time.sleep(0.05)


@dataclass
class Recorder:
    """An upstream that keeps the requests it got, as bytes, and answers each whole one with 200."""

    port: int
    heads: list[bytes] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def header(self, name: str) -> list[str]:
        """The values of a header in the last request."""
        lines = [line.partition(": ") for line in self.heads[-1].decode().split("\r\n")]
        return [value for found, _, value in lines if found.lower() == name.lower()]

    def keep(self, stream: BufferedReader) -> bool:
        """Read one request. False when there is none."""
        lines = list(iter(stream.readline, b"\r\n")) if stream.peek(1) else []
        if not lines:
            return False
        self.heads.append(b"".join(lines))
        length = [int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")]
        self.bodies.append(stream.read(length[0]) if length else b"")
        return True


class RecorderServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, record: Recorder) -> None:
        self.record = record
        super().__init__(("127.0.0.1", record.port), RecorderHandler)


class RecorderHandler(socketserver.StreamRequestHandler):
    server: RecorderServer

    def handle(self) -> None:
        while self.server.record.keep(cast("BufferedReader", self.rfile)):
            self.wfile.write(
                b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "strong"\r\n'
                b"Content-Length: %d\r\n\r\n%s" % (len(RECORDED_BODY), RECORDED_BODY)
            )


@contextmanager
def recorder(port: int = 0) -> Iterator[Recorder]:
    """A recorder that listens on the port, or on a free one."""
    record = Recorder(port)
    with RecorderServer(record) as server:
        record.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield record
        finally:
            server.shutdown()
            thread.join()


def wait_for_line(log: Path, text: str, seconds: float = 10) -> str:
    """The first line of a log that holds the text."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if text in line:
                return line
        time.sleep(0.05)
    raise AssertionError(f"{text} is not in {log}")


def tls(proxy: Proxy, name: str, seconds: float = 10) -> ssl.SSLSocket:
    """A TLS connection that trusts Caddy's own authority alone, once Caddy has made a certificate for the name."""
    root = proxy.storage / "pki" / "authorities" / "local" / "root.crt"
    deadline = time.monotonic() + seconds
    while True:
        try:
            context = ssl.create_default_context(cafile=str(root))
            return context.wrap_socket(proxy.connect(), server_hostname=name)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
