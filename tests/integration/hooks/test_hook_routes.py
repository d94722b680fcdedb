"""Signals from senders that know an address and nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from app.factory import create_app
from app.hooks.commands import hooks
from app.hooks.models import Hook
from app.signals.models import Signal
from config import Settings
from tests.integration.hooks.conftest import BODY, Hooked
from tests.processes import free_port

Make = Callable[..., Hooked]
TRADINGVIEW_SECONDS = 3


def is_problem(response: TestResponse, status: int, slug: str) -> bool:
    assert response.status_code == status, response.data
    assert response.content_type == "application/problem+json"
    assert (response.json or {})["type"].endswith(slug)
    return True


def stored(hooked: Hooked) -> list[Signal]:
    with hooked.app.extensions["signalbox"].database.reading() as session:
        return list(session.scalars(select(Signal)).all())


def test_a_signal_sent_to_a_hook_is_its_producer_s(hooked: Make) -> None:
    service = hooked()
    response = service.send()
    document = response.json or {}
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/v1/signals/{document['id']}"
    assert (document["producer_id"], document["instrument"], document["side"]) == ("tv", "FX:EURUSD", "buy")
    assert (document["price"], document["time"]) == ("1.0712", "2026-03-02T12:00:00Z")
    assert (document["signed"], document["duplicate"]) == (False, False)
    read = service.client.get(response.headers["Location"]).json or {}
    assert read == {name: value for name, value in document.items() if name != "duplicate"}


def test_a_repeated_signal_returns_the_stored_one(hooked: Make) -> None:
    service = hooked()
    first, again = service.send(), service.send()
    assert again.status_code == 200
    assert again.json == (first.json or {}) | {"duplicate": True, "differs": []}
    assert len(stored(service)) == 1


def test_an_exit_right_after_its_entry_is_a_signal_of_its_own(hooked: Make) -> None:
    service = hooked()
    responses = [service.send(json={**BODY, "action": action}) for action in ("buy", "sell", "buy", "sell")]
    assert [response.status_code for response in responses] == [201, 201, 200, 200]
    assert sorted(signal.side for signal in stored(service)) == ["buy", "sell"]


def test_a_repetition_whose_content_differs_says_so_and_is_logged_and_counted(hooked: Make) -> None:
    service = hooked()
    first = service.send().json or {}
    with capture_logs() as logged:
        again = service.send(json={**BODY, "close": "1.0713", "note": "other"}).json or {}
        same = service.send().json or {}
    assert (again["id"], again["duplicate"], again["differs"]) == (first["id"], True, ["price", "payload"])
    assert same["differs"] == []
    (line,) = (line for line in logged if line["event"] == "hook_repetition_differs")
    assert line["log_level"] == "warning"
    assert line["hook_id"] in service.app.test_cli_runner().invoke(hooks, ["list"]).stdout
    assert (line["signal_id"], line["matched_on"]) == (first["id"], "window")
    assert line["differs"] == ["price", "payload"]
    metrics = service.client.get("/metrics").text
    for content in ("differs", "same"):
        assert f'signals_duplicates_total{{content="{content}",source="hook"}}' in metrics


@pytest.mark.parametrize("kind", ["text/plain", "text/plain; charset=utf-8", None])
def test_json_may_be_sent_as_text(hooked: Make, kind: str | None) -> None:
    response = hooked("--strip-exchange").send(data=" " + json.dumps(BODY), content_type=kind)
    assert response.status_code == 201
    assert (response.json or {})["instrument"] == "EURUSD"


def test_lines_of_text_are_accepted(hooked: Make) -> None:
    text = "Symbol: CME_MINI:ES1!\nSide: short\nPrice: 5000.25\nTime: 1772452800000\nTake Profit: 4950, 4900\nsize: 2\n"
    document = hooked().send(data=text, content_type="text/plain").json or {}
    assert (document["instrument"], document["side"], document["price"]) == ("CME_MINI:ES1", "sell", "5000.25")
    assert document["time"] == "2026-03-02T12:00:00Z"
    assert document["payload"] == {"take_profit": ["4950", "4900"], "size": "2"}


def test_a_hook_reads_the_names_it_was_made_with(hooked: Make) -> None:
    service = hooked("--field-map", "side=dir", "--field-map", "stop_loss=sl", "--field-map", "instrument=coin")
    document = service.send(json={"coin": "BTC", "dir": "Long", "price": 5, "sl": 4.5, "ticker": "x"}).json or {}
    assert (document["instrument"], document["side"]) == ("BTC", "buy")
    assert document["payload"] == {"stop_loss": 4.5, "ticker": "x"}
    response = service.send(json={"coin": "BTC", "price": 5, "sl": -1})
    assert is_problem(response, 422, "validation-failed")
    assert {error["pointer"] for error in (response.json or {})["errors"]} == {"/dir", "/sl"}


def test_errors_point_to_the_names_that_the_sender_used(hooked: Make) -> None:
    service = hooked()
    response = service.send(json={"ticker": "A B", "action": "close", "close": "x", "take_profit": [1, -1]})
    assert is_problem(response, 422, "validation-failed")
    pointers = {error["pointer"] for error in (response.json or {})["errors"]}
    assert pointers == {"/ticker", "/action", "/close", "/take_profit/1"}
    missing = service.send(json={}).json or {}
    assert "Accepted names: instrument, ticker, symbol." in missing["errors"][0]["message"]
    assert stored(service) == []


@pytest.mark.parametrize(
    ("options", "status", "slug"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, "malformed-json"),
        ({"data": b'{"a":1,"a":2}', "content_type": "text/plain"}, 400, "malformed-json"),
        ({"data": b"BUY EURUSD", "content_type": "text/plain"}, 400, "malformed-text"),
        ({"data": b"", "content_type": "text/plain"}, 400, "malformed-text"),
        ({"data": b"[]", "content_type": "application/json"}, 422, "validation-failed"),
        ({"data": b"a=1", "content_type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
        ({"data": b"{" * 32_769, "content_type": "application/json"}, 413, "payload-too-large"),
        ({"json": {**BODY, "payload": "x"}}, 422, "validation-failed"),
        ({"json": {**BODY, "note": "a", "payload": {"note": "b"}}}, 422, "validation-failed"),
    ],
)
def test_an_invalid_body_is_refused(hooked: Make, options: dict[str, Any], status: int, slug: str) -> None:
    service = hooked()
    assert is_problem(service.send(**options), status, slug)
    assert stored(service) == []


def test_hooks_need_no_api_key_and_no_signature(hooked: Make) -> None:
    key = "k" * 40
    service = hooked(api_keys=(f"a:{key}",), signals_hmac_enabled=True, signals_hmac_key=key)
    assert service.send().status_code == 201
    assert service.client.get("/api/v1/signals").status_code == 401


@pytest.mark.parametrize("token", ["x", "hook_" + "A" * 43, "%ff", "%00", "x" * 1000])
def test_an_unknown_address_is_not_found_whatever_the_body(hooked: Make, token: str) -> None:
    service = hooked()
    for options in ({}, {"data": b"{", "content_type": "application/json"}):
        assert is_problem(service.send(f"/api/v1/hooks/{token}", **options), 404, "not-found")


def test_a_part_of_a_token_is_unknown(hooked: Make) -> None:
    service = hooked()
    for path in (service.path[:-1], service.path + "x", service.path.swapcase()[-43:]):
        assert service.send(path if path.startswith("/") else f"/api/v1/hooks/hook_{path}").status_code == 404


def test_a_token_is_nowhere_in_the_database(hooked: Make) -> None:
    service = hooked()
    token = service.path.rpartition("/")[2]
    with service.app.extensions["signalbox"].database.reading() as session:
        (hook,) = session.scalars(select(Hook)).all()
    assert token not in str(vars(hook))


def test_a_token_is_in_no_log_and_no_metric(hooked: Make) -> None:
    service = hooked()
    token = service.path.rpartition("/")[2]
    with capture_logs() as lines:
        service.send()
        service.send(json={})
        service.send(service.path + "/more")
        service.send(service.path.upper())
        service.client.get(service.path)
        service.client.get(f"/{service.path}")
    assert len([line for line in lines if line["event"] == "request"]) == 6
    assert token.lower() not in json.dumps(lines, default=str).lower()
    assert {line["rule"] for line in lines if line.get("status") == 201} == {"/api/v1/hooks/<token>"}
    assert token not in service.client.get("/metrics").text


def test_hooks_spend_their_producer_s_budget(hooked: Make) -> None:
    service = hooked(signals_rate_limit="1/minute")
    assert service.send().status_code == 201
    response = service.send()
    assert is_problem(response, 429, "rate-limited")
    assert int(response.headers["Retry-After"]) > 0


def sent_from(service: Hooked, peer: str, forwarded: str = "") -> int:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    response = service.client.post(service.path, json=BODY, headers=headers, environ_base={"REMOTE_ADDR": peer})
    return response.status_code


def test_only_the_named_networks_may_send(hooked: Make) -> None:
    service = hooked("--allow-from", "203.0.113.0/24", "--allow-from", "2001:db8::/32")
    assert sent_from(service, "203.0.114.1") == 404
    assert sent_from(service, "203.0.114.1", forwarded="203.0.113.1") == 404
    assert stored(service) == []
    assert sent_from(service, "203.0.113.1") == 201
    assert sent_from(service, "2001:db8::5") == 200


def test_only_a_trusted_proxy_may_name_the_client_address(hooked: Make) -> None:
    service = hooked("--allow-from", "203.0.113.0/24", trusted_proxies=("10.0.0.0/8",))
    assert sent_from(service, "10.0.0.1", forwarded="203.0.114.1") == 404
    assert sent_from(service, "10.0.0.1", forwarded="203.0.113.1, 203.0.114.1") == 404
    assert sent_from(service, "10.0.0.1") == 404
    assert sent_from(service, "192.0.2.1", forwarded="203.0.113.1") == 404
    assert sent_from(service, "10.0.0.1", forwarded="203.0.114.1, 203.0.113.1, 10.0.0.2") == 201


def test_a_refused_sender_is_logged(hooked: Make) -> None:
    service = hooked("--allow-from", "203.0.113.0/24")
    with capture_logs() as lines:
        sent_from(service, "192.0.2.1")
    (line,) = [line for line in lines if line["event"] == "hook_refused_sender"]
    assert line["address"] == "192.0.2.1"


def test_without_a_database_the_response_is_503_before_tradingview_gives_up(settings: Settings, redis_url: str) -> None:
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    client = create_app(replace(settings, database_url=url)).test_client()
    began = time.monotonic()
    response = client.post("/api/v1/hooks/hook_x", json=BODY)
    assert is_problem(response, 503, "unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert time.monotonic() - began < TRADINGVIEW_SECONDS


def test_without_redis_signals_are_still_stored_once(hooked: Make) -> None:
    service = hooked(redis_url=f"redis://127.0.0.1:{free_port()}/0")
    assert [service.send().status_code for _ in range(2)] == [201, 200]
