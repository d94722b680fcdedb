"""A real web server, for tests of framing, incomplete bodies and clients that disconnect."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from flask import Flask

from app.factory import create_app
from app.resources import Resources
from config import Settings
from tests import processes

RESPONSE_SECONDS = 20


@dataclass(frozen=True)
class RawResponse:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=RESPONSE_SECONDS)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> RawResponse:
        """One request on a new connection. A Content-Length is added unless there is a Transfer-Encoding."""
        sent = dict(headers or {})
        if "Transfer-Encoding" not in sent:
            sent.setdefault("Content-Length", str(len(body)))
        with self.connect() as connection:
            connection.sendall(head(method, path, sent) + body)
            return read_response(connection)


def head(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def read_response(connection: socket.socket) -> RawResponse:
    with connection.makefile("rb") as stream:
        return _read_response(stream, stream.readline())


def read_responses(connection: socket.socket) -> list[RawResponse]:
    """All responses until the server closes the connection."""
    with connection.makefile("rb") as stream:
        return [_read_response(stream, first) for first in iter(stream.readline, b"")]


def _read_response(stream: BinaryIO, first: bytes) -> RawResponse:
    headers = {}
    while line := stream.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return RawResponse(int(first.split()[1]), headers, stream.read(int(headers.get("content-length", "0"))))


@pytest.fixture(scope="session")
def server(valkey: str, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The application on SQLite behind the real web server, without API keys."""
    folder = tmp_path_factory.mktemp("web")
    database = folder / "signalbox.db"
    database.write_bytes(sqlite_template.read_bytes())
    settings = Settings(
        database_url=f"sqlite:///{database}",
        redis_url=valkey,
        media_dir=folder / "media",
        prometheus_multiproc_dir=str(folder / "metrics"),
        web_concurrency=1,
        web_threads=4,
    )
    with processes.serving(settings, folder) as (program, address):
        yield Server(int(address.rpartition(":")[2]), program.log)


@pytest.fixture
def sqlite_settings(sqlite_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=sqlite_url, redis_url=redis_url, media_dir=tmp_path / "media")


@pytest.fixture
def make_app() -> Iterator[Callable[[Settings], Flask]]:
    """Makes applications and closes their resources."""
    built: list[Resources] = []

    def make(settings: Settings) -> Flask:
        built.append(Resources.build(settings))
        return create_app(resources=built[-1])

    yield make
    for resources in built:
        resources.close()
