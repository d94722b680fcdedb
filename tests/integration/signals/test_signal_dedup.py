"""Duplicates of posted signals, with Redis up, unreachable and emptied."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import delete, text
from werkzeug.test import TestResponse

from app.resources import Resources
from app.shared.db import uuid7
from app.signals.dedup import redis_claims
from app.signals.domain import DedupRule
from app.signals.models import Signal
from config import Settings
from tests.integration.signals.builders import NOON, PATH, a_new_signal, post
from tests.integration.signals.conftest import Serve, StoppedClock


class Rig:
    """A service whose Redis is up, unreachable, or emptied before each post."""

    def __init__(self, serve: Serve, redis: str, redis_url: str, nowhere: str) -> None:
        self._serve = serve
        self._changes = {"redis_url": nowhere if redis == "away" else redis_url}
        self._flushed = Redis.from_url(redis_url) if redis == "flushed" else None

    def serve(self, **changes: Any) -> FlaskClient:
        return self._serve(**self._changes, **changes)

    def post(self, client: FlaskClient, **changes: Any) -> TestResponse:
        if self._flushed is not None:
            self._flushed.flushall()
        return post(client, **changes)

    def close(self) -> None:
        if self._flushed is not None:
            self._flushed.close()


@pytest.fixture(params=["up", "away", "flushed"])
def rig(request: pytest.FixtureRequest, serve: Serve, redis_url: str, nowhere: str) -> Iterator[Rig]:
    """Every rule about duplicates is tested with each state of Redis: the responses must be the same."""
    built = Rig(serve, request.param, redis_url, nowhere)
    yield built
    built.close()


def at(seconds: float) -> str:
    return (NOON - timedelta(days=1) + timedelta(seconds=seconds)).isoformat()


def test_a_second_post_of_the_same_external_id_is_refused_for_ever(rig: Rig, clock: StoppedClock) -> None:
    client = rig.serve()
    first = rig.post(client, external_id="e1").json or {}
    clock.advance(400 * 86_400)
    for _ in range(2):
        response = rig.post(client, external_id="e1", instrument="MSFT", side="sell")
        problem = response.json or {}
        assert response.status_code == 409
        assert problem["type"].endswith("duplicate-signal")
        assert response.headers["Location"] == f"{PATH}/{first['id']}"
        assert (problem["existing_signal_id"], problem["matched_on"]) == (first["id"], "external_id")
        assert problem["differs"] == ["instrument", "side"]
    assert rig.post(client, external_id="e2", instrument="MSFT").status_code == 201


def test_the_same_external_id_of_another_producer_is_another_signal(rig: Rig) -> None:
    client = rig.serve()
    assert rig.post(client, external_id="e1").status_code == 201
    assert rig.post(client, external_id="e1", producer="desk-2").status_code == 201


def test_live_signals_collide_until_the_window_has_passed(rig: Rig, clock: StoppedClock) -> None:
    client = rig.serve()
    first = rig.post(client).json or {}
    clock.advance(299.999)
    response = rig.post(client, price="1", payload={"note": "again"})
    problem = response.json or {}
    assert response.status_code == 409
    assert (problem["existing_signal_id"], problem["matched_on"]) == (first["id"], "window")
    assert problem["differs"] == ["price", "payload"]
    clock.advance(0.001)
    assert rig.post(client).status_code == 201


@pytest.mark.parametrize("other", [{"instrument": "MSFT"}, {"version": "2"}, {"producer": "desk-2"}])
def test_another_instrument_version_or_producer_is_no_duplicate(rig: Rig, other: dict[str, str]) -> None:
    client = rig.serve()
    assert rig.post(client).status_code == 201
    assert rig.post(client, **other).status_code == 201


@pytest.mark.parametrize(("seconds", "status"), [(299.999, 409), (300, 201), (-299.999, 409), (-300, 201), (0, 409)])
def test_the_window_is_measured_between_the_signals_own_times(rig: Rig, seconds: float, status: int) -> None:
    client = rig.serve()
    assert rig.post(client, time=at(0)).status_code == 201
    assert rig.post(client, time=at(seconds)).status_code == status


def test_a_history_of_hours_posted_at_once_does_not_collide(rig: Rig) -> None:
    client = rig.serve()
    statuses = [rig.post(client, time=at(-3_600 * hour)).status_code for hour in range(12)]
    assert statuses == [201] * 12


def test_a_signal_between_two_others_collides_with_one_of_them(rig: Rig) -> None:
    client = rig.serve()
    first, second = (rig.post(client, time=at(seconds)).json or {} for seconds in (0, 300))
    response = rig.post(client, time=at(200)).json or {}
    assert response["existing_signal_id"] in (first["id"], second["id"])


@pytest.mark.parametrize(
    ("field", "other"), [("side", {"side": "sell"}), ("payload.strategy", {"payload": {"strategy": "b"}})]
)
def test_the_window_compares_what_the_operator_names(rig: Rig, field: str, other: dict[str, Any]) -> None:
    client = rig.serve(signals_dedup_fields=("instrument", "version", field))
    first = {"payload": {"strategy": "a"}}
    assert rig.post(client, **first).status_code == 201
    assert rig.post(client, **first, price="2").status_code == 409
    assert rig.post(client, **{**first, **other}).status_code == 201


def test_a_buy_and_a_sell_of_one_instrument_are_two_signals(rig: Rig) -> None:
    client = rig.serve()
    assert [rig.post(client, side=side).status_code for side in ("buy", "sell", "buy", "sell")] == [201, 201, 409, 409]


def test_with_the_window_off_only_the_external_id_counts(rig: Rig) -> None:
    client = rig.serve(signals_dedup_window_seconds=0)
    assert [rig.post(client).status_code for _ in range(3)] == [201] * 3
    assert rig.post(client, external_id="e").status_code == 201
    assert rig.post(client, external_id="e").status_code == 409


def test_a_retry_without_a_time_differs_in_nothing(rig: Rig, clock: StoppedClock) -> None:
    client = rig.serve()
    rig.post(client)
    clock.advance(5)
    assert (rig.post(client).json or {})["differs"] == []


def marker_keys(settings: Settings) -> tuple[str, ...]:
    return redis_claims.claim_keys(DedupRule(settings.signals_dedup_window_seconds).identify(a_new_signal()))


def test_a_known_duplicate_is_refused_while_nobody_can_write(client: FlaskClient, resources: Resources) -> None:
    post(client, external_id="e")
    # Another transaction holds the lock of writers: the fast path must only read.
    hold = "DELETE FROM leases" if resources.database.is_sqlite else "LOCK TABLE signals IN SHARE MODE"
    with resources.database.transaction() as session:
        session.execute(text(hold))
        assert post(client, external_id="e").status_code == 409
        assert post(client, external_id="f", instrument="MSFT").status_code == 503


@pytest.mark.parametrize(
    "value", [f"d:{uuid7()}", "d:nonsense", "p:somebody", "nonsense"], ids=["unknown", "no id", "pending", "no mark"]
)
def test_no_value_in_redis_makes_a_new_signal_a_duplicate(
    client: FlaskClient, settings: Settings, redis_url: str, value: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        (key,) = marker_keys(settings)
        redis.set(key, value)
        response = post(client)
        assert response.status_code == 201
        assert redis.get(key) == f"d:{(response.json or {})['id']}".encode()


def test_a_marker_of_a_deleted_signal_is_forgotten(client: FlaskClient, resources: Resources) -> None:
    post(client)
    with resources.database.transaction() as session:
        session.execute(delete(Signal))
    assert post(client).status_code == 201


def test_a_duplicate_found_by_the_database_is_known_to_redis_afterwards(
    client: FlaskClient, settings: Settings, redis_url: str
) -> None:
    with Redis.from_url(redis_url) as redis:
        first = post(client).json or {}
        redis.flushall()
        assert post(client).status_code == 409
        assert redis.get(marker_keys(settings)[0]) == f"d:{first['id']}".encode()


def test_without_the_database_there_is_no_false_answer_and_no_claim_stays(
    settings: Settings, serve: Serve, redis_url: str
) -> None:
    away = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/none", database_timeout_seconds=1.0)
    client = serve(database_url=away.database_url, database_timeout_seconds=1.0)
    response = post(client, external_id="e")
    assert response.status_code == 503
    assert (response.json or {})["type"].endswith("unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert client.get(PATH).status_code == 503
    with Redis.from_url(redis_url) as redis:
        assert redis.keys("signal:*") == []
    assert post(serve(), external_id="e").status_code == 201


def test_a_refused_signal_leaves_nothing_that_stops_its_correction(client: FlaskClient) -> None:
    assert post(client, side="hold").status_code == 422
    assert post(client).status_code == 201


def test_a_frozen_redis_delays_a_signal_for_less_than_two_seconds_and_changes_no_answer(
    client: FlaskClient, redis_url: str
) -> None:
    assert post(client, external_id="before").status_code == 201
    with Redis.from_url(redis_url) as redis:
        redis.client_pause(2_000)
        started = time.monotonic()
        assert post(client, external_id="during", instrument="MSFT").status_code == 201
        first = time.monotonic() - started
        assert post(client, external_id="before").status_code == 409
        second = time.monotonic() - started - first
        redis.client_unpause()
    # The first signal waits for the timeout of Redis, the next ones do not use Redis.
    assert first < 2
    assert second < 1
    assert post(client, external_id="during").status_code == 409
