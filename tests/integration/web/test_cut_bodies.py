"""Bodies that end before their Content-Length are never stored, however the client disconnects."""

from __future__ import annotations

import json
import socket
import struct
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.hooks import service as hooks
from app.hooks.domain import FieldMap
from app.shared.clock import utc_now
from app.shared.db import Database
from tests.integration.web.conftest import head, read_responses

JSON = "application/json"
End = Callable[[socket.socket], None]


def finish(connection: socket.socket) -> None:
    """Close the sending side, as a stopped client does."""
    connection.shutdown(socket.SHUT_WR)


def die(connection: socket.socket) -> None:
    """Reset the connection, as the kernel of a dead client does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@pytest.fixture
def instrument() -> str:
    return f"CUT-{uuid.uuid4().hex[:12].upper()}"


@pytest.fixture
def hook_path(server: Any) -> str:
    database = Database(f"sqlite:///{Path(server.log).parent}/signalbox.db")
    with database.transaction() as session:
        _, token = hooks.create(session, "tv", FieldMap({}, strip_exchange=False), allow_from=[], now=utc_now())
    database.dispose()
    return f"/api/v1/hooks/{token}"


def send_cut(server: Any, method: str, path: str, kind: str, body: bytes, missing: int, end: End) -> Any:
    """The responses to a body whose last bytes never arrive."""
    headers = {"Content-Type": kind, "Content-Length": str(len(body) + missing)}
    with server.connect() as connection:
        connection.sendall(head(method, path, headers) + body)
        end(connection)
        return read_responses(connection) if end is finish else []


def stored(server: Any, instrument: str) -> list[Any]:
    # Answered after the cut request, which had a thread first.
    signals: list[Any] = server.request("GET", f"/api/v1/signals?instrument={instrument}").json["signals"]
    return signals


def assert_refused(responses: list[Any], end: End) -> None:
    if end is finish:
        assert [(response.status, response.json["type"]) for response in responses] == [(400, "/problems/bad-request")]


ends = pytest.mark.parametrize("end", [finish, die])


@ends
def test_a_cut_signal_is_not_stored_though_what_came_is_valid_json(server: Any, instrument: str, end: End) -> None:
    body = json.dumps({"instrument": instrument, "side": "buy", "price": 1}).encode()
    assert_refused(send_cut(server, "POST", "/api/v1/signals", JSON, body, 10, end), end)
    settle(server)
    assert stored(server, instrument) == []


@ends
def test_a_cut_batch_is_not_stored_though_what_came_is_valid_json(server: Any, instrument: str, end: End) -> None:
    signals = [{"instrument": instrument, "side": "buy", "price": 1, "external_id": instrument}]
    body = json.dumps({"signals": signals}).encode()
    assert_refused(send_cut(server, "POST", "/api/v1/signals/batch", JSON, body, 10, end), end)
    settle(server)
    assert stored(server, instrument) == []


@ends
def test_a_cut_text_of_a_hook_is_not_stored_with_a_part_of_its_price(
    server: Any, hook_path: str, instrument: str, end: End
) -> None:
    whole = f"instrument: {instrument}\nside: buy\nprice: 1234.56".encode()
    cut = whole[: -len("34.56")]
    assert_refused(send_cut(server, "POST", hook_path, "text/plain", cut, len(whole) - len(cut), end), end)
    settle(server)
    assert stored(server, instrument) == []
    assert server.request("POST", hook_path, whole, {"Content-Type": "text/plain"}).status == 201
    assert [signal["price"] for signal in stored(server, instrument)] == ["1234.56"]


@ends
def test_cut_bars_are_not_stored_with_a_part_of_their_last_price(server: Any, instrument: str, end: End) -> None:
    path = f"/api/v1/bars/{instrument}/1h"
    rows = "time,open,high,low,close,volume\n0,10,12,9,11.5,1\n3600000,10,12,9,11.5,1234"
    assert_refused(send_cut(server, "PUT", path, "text/csv", rows[:-2].encode(), 2, end), end)
    settle(server)
    assert server.request("GET", path).status == 404


def settle(server: Any) -> None:
    """Wait until the threads that read incomplete bodies are done. A disconnected client gets no response."""
    for _ in range(8):
        server.request("GET", "/api/v1/signals")
