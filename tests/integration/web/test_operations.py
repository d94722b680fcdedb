"""Health, readiness, metrics and request ids."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text
from structlog.testing import capture_logs

from app.events import service as events
from app.resources import Resources
from app.web.operations.request_metrics import KNOWN_METHODS
from config import Settings

SIGNAL = {"instrument": "EURUSD", "side": "buy", "price": "1.1"}


@pytest.fixture
def closed_port() -> Iterator[Any]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        yield listener.getsockname()[1]


@pytest.fixture
def without_redis(settings: Settings, closed_port: int) -> Any:
    return dataclasses.replace(settings, redis_url=f"redis://127.0.0.1:{closed_port}/0")


@pytest.fixture
def without_database(sqlite_settings: Settings, closed_port: int) -> Any:
    url = f"postgresql://nobody@127.0.0.1:{closed_port}/none"
    return dataclasses.replace(sqlite_settings, database_url=url, database_timeout_seconds=1.0)


def test_healthz_says_that_the_process_is_up(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}


def test_healthz_needs_no_database_and_no_redis(without_database: Settings, closed_port: int, make_app: Any) -> None:
    away = dataclasses.replace(without_database, redis_url=f"redis://127.0.0.1:{closed_port}/0")
    assert make_app(away).test_client().get("/healthz").status_code == 200


def test_readyz_reports_each_check_and_its_duration(client: FlaskClient) -> None:
    response = client.get("/readyz")
    body = response.get_json()
    assert response.status_code == 200
    assert body["status"] == "ready"
    assert {name: part["status"] for name, part in body["checks"].items()} == {
        "database": "ok",
        "redis": "ok",
        "queue": "ok",
    }
    assert body["checks"]["database"]["ms"] > 0
    assert body["checks"]["redis"]["ms"] > 0


def test_readyz_reports_the_age_of_the_oldest_event(resources: Resources, client: FlaskClient) -> None:
    now = resources.clock()
    with resources.database.transaction() as session:
        events.append_all(session, "test", [events.Occurrence("1", now.replace(year=now.year - 1), "")])
    queue = client.get("/readyz").get_json()["checks"]["queue"]
    assert queue["waiting"] == 1
    assert 364 * 86_400 < queue["oldest_seconds"] < 367 * 86_400


def test_readyz_without_redis_is_degraded_and_still_ready(without_redis: Settings, make_app: Any) -> None:
    response = make_app(without_redis).test_client().get("/readyz")
    assert response.status_code == 200
    assert response.get_json()["status"] == "degraded"
    assert response.get_json()["checks"]["redis"]["status"] == "failed"


def test_readyz_without_a_database_is_unavailable(without_database: Settings, make_app: Any) -> None:
    response = make_app(without_database).test_client().get("/readyz")
    assert response.status_code == 503
    assert response.get_json()["status"] == "unavailable"
    assert response.get_json()["checks"]["queue"] == {"status": "unknown"}


def test_without_a_database_requests_that_need_it_get_503_with_retry_after(
    without_database: Settings, make_app: Any
) -> None:
    client = make_app(without_database).test_client()
    for response in (client.post("/api/v1/signals", json=SIGNAL), client.get("/api/v1/signals")):
        assert response.status_code == 503
        assert response.content_type == "application/problem+json"
        assert json.loads(response.data)["type"] == "/problems/unavailable"
        assert int(response.headers["Retry-After"]) >= 1


def test_a_locked_sqlite_says_503(sqlite_settings: Settings, make_app: Any) -> None:
    impatient = dataclasses.replace(sqlite_settings, database_timeout_seconds=0.1)
    app = make_app(impatient)
    database = app.extensions["signalbox"].database
    with database.transaction() as writer:
        writer.execute(text("SELECT 1"))
        response = app.test_client().post("/api/v1/signals", json=SIGNAL)
    assert response.status_code == 503
    assert "Retry-After" in response.headers


def test_the_log_of_an_unavailable_database_contains_no_values(without_database: Settings, make_app: Any) -> None:
    with capture_logs() as logged:
        make_app(without_database).test_client().post("/api/v1/signals", json=SIGNAL | {"external_id": "hush"})
    body = [line for line in logged if line["event"] == "database_unavailable"]
    assert body
    assert "hush" not in json.dumps(body)


def test_metrics_contain_the_current_backlog(resources: Resources, client: FlaskClient) -> None:
    now = resources.clock()
    with resources.database.transaction() as session:
        events.append_all(session, "test", [events.Occurrence("1", now - timedelta(hours=1), "")])
    text = client.get("/metrics").get_data(as_text=True)
    assert 'jobs_waiting{queue="events"} 1.0\n' in text
    assert 'jobs_waiting{queue="charts"} 0.0\n' in text
    (age,) = re.findall(r'jobs_oldest_seconds{queue="events"} (\S+)\n', text)
    assert 3_600 <= float(age) < 3_700
    with resources.database.transaction() as session:
        events.append_all(session, "test", [events.Occurrence("2", now, "")])
    assert client.get("/metrics").get_data(as_text=True).count('jobs_waiting{queue="events"} 1.0\n') == 1, "not cached"


def test_metrics_without_a_database_lack_the_backlog_and_nothing_else(
    without_database: Settings, make_app: Any
) -> None:
    response = make_app(without_database).test_client().get("/metrics")
    assert response.status_code == 200
    text = response.get_data(as_text=True)
    assert "signals_ingested_total" in text
    assert 'queue="events"' not in text


def test_metrics_come_from_all_processes_of_the_server_by_rule(server: Any) -> None:
    server.request("GET", "/api/v1/signals/0190b1a3-0000-7000-8000-000000000000")
    for _ in range(20):
        server.request("GET", "/made-up-path")
    response = server.request("GET", "/metrics")
    text = response.body.decode()
    assert response.status == 200
    assert response.headers["content-type"].startswith("text/plain")
    assert 'url_rule="/api/v1/signals/<uuid:signal_id>"' in text
    assert 'flask_http_request_duration_seconds_count{method="GET",status="404",url_rule="unmatched"} 20.0\n' in text
    assert 'flask_http_request_total{method="GET",status="404"} 21.0\n' in text
    assert "0190b1a3" not in text
    assert "made-up-path" not in text


def test_an_invented_method_makes_no_series(server: Any) -> None:
    response = server.request("BREW", "/healthz")
    assert response.status == 405
    assert "BREW" not in KNOWN_METHODS
    assert "BREW" not in server.request("GET", "/metrics").body.decode()


@pytest.mark.parametrize("header", ["a", "A-Z.09_x", "f" * 64])
def test_a_fit_request_id_is_echoed(server: Any, header: str) -> None:
    response = server.request("GET", "/nowhere", headers={"X-Request-ID": header})
    assert response.headers["x-request-id"] == header
    assert response.json["request_id"] == header


@pytest.mark.parametrize("header", ["", "f" * 65, "a b", 'a"b', "a;b", "\xe4"])
def test_an_unfit_request_id_is_replaced(server: Any, header: str) -> None:
    response = server.request("GET", "/nowhere", headers={"X-Request-ID": header})
    assert response.headers["x-request-id"] != header
    assert len(response.headers["x-request-id"]) == 32


def test_two_requests_get_two_ids(client: FlaskClient) -> None:
    first, second = (client.get("/healthz").headers["X-Request-ID"] for _ in range(2))
    assert first != second


def test_each_request_is_one_log_line_with_its_rule_and_caller(client: FlaskClient) -> None:
    with capture_logs() as logged:
        client.get("/api/v1/signals?limit=1", headers={"X-Request-ID": "abc"})
    (line,) = [line for line in logged if line["event"] == "request"]
    assert line["method"] == "GET"
    assert line["rule"] == "/api/v1/signals"
    assert line["status"] == 200
    assert line["caller"] == "default"
    assert line["bytes"] > 0
    assert line["ms"] >= 0
    assert "limit" not in line["path"]


def test_health_checks_are_logged_at_debug_only(client: FlaskClient) -> None:
    with capture_logs() as logged:
        client.get("/healthz")
        client.get("/readyz")
        client.get("/metrics")
    assert {line["log_level"] for line in logged if line["event"] == "request"} == {"debug"}
