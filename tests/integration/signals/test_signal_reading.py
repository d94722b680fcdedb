"""Reading one signal, and the list with its filters and pages."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from app.shared.db import uuid7
from tests.integration.signals.builders import PATH, post


@pytest.fixture
def posted(client: FlaskClient) -> list[dict[str, Any]]:
    """Four signals, oldest first, no two alike."""
    kinds: list[dict[str, Any]] = [
        {"instrument": "AAPL", "side": "buy", "version": "1", "time": "2026-02-01T00:00:00Z"},
        {"instrument": "AAPL", "side": "sell", "version": "2", "time": "2026-02-02T00:00:00Z"},
        {"instrument": "MSFT", "side": "buy", "version": "1", "time": "2026-02-03T00:00:00Z", "producer": "desk-2"},
        {"instrument": "MSFT", "side": "sell", "version": "1", "time": "2026-01-01T00:00:00Z"},
    ]
    return [post(client, **kind).json or {} for kind in kinds]


def listed(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    response = client.get(f"{PATH}?{query}")
    assert response.status_code == 200, response.data
    signals: list[dict[str, Any]] = (response.json or {})["signals"]
    return signals


def test_the_list_begins_with_the_latest_signal(client: FlaskClient, posted: list[dict[str, Any]]) -> None:
    assert listed(client) == posted[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("instrument=AAPL", [1, 0]),
        ("instrument=aapl&side=sell", [1]),
        ("side=buy", [2, 0]),
        ("producer=desk-2", [2]),
        ("version=2", [1]),
        ("status=new", [3, 2, 1, 0]),
        ("since=2026-02-02T00:00:00Z", [2, 1]),
        ("until=2026-02-02T00:00:00Z", [3, 0]),
        ("since=2026-02-01T00:00:00Z&until=2026-02-03T00:00:00Z", [1, 0]),
        ("since=1769904000000&until=1769904000001", [0]),
        ("since=2026-02-02T01:00:00%2B01:00&limit=1", [2]),
        ("instrument=GOOG", []),
    ],
)
def test_filters_narrow_the_list(
    client: FlaskClient, posted: list[dict[str, Any]], query: str, expected: list[int]
) -> None:
    assert listed(client, query) == [posted[number] for number in expected]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("colour=red", "/colour"),
        ("limit=0", "/limit"),
        ("limit=251", "/limit"),
        ("limit=many", "/limit"),
        ("side=hold", "/side"),
        ("status=gone", "/status"),
        ("instrument=A%20B", "/instrument"),
        ("producer=", "/producer"),
        ("version=%00", "/version"),
        ("since=yesterday", "/since"),
        ("until=1e3", "/until"),
        ("cursor=abc", "/cursor"),
        ("cursor=01a20c1b-93e6-7283-abe4-f690d72e68e9", "/cursor"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(client: FlaskClient, query: str, pointer: str) -> None:
    response = client.get(f"{PATH}?{query}")
    assert response.status_code == 422
    assert [error["pointer"] for error in (response.json or {})["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["x", "1", "00000000-0000-0000-0000-00000000000", "%00"])
def test_what_is_no_id_is_not_found(client: FlaskClient, path: str) -> None:
    response = client.get(f"{PATH}/{path}")
    assert response.status_code == 404
    assert response.content_type == "application/problem+json"


def test_an_unknown_signal_is_not_found(client: FlaskClient) -> None:
    response = client.get(f"{PATH}/{uuid7()}")
    assert response.status_code == 404
    assert (response.json or {})["type"].endswith("not-found")


@hypothesis_settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(st.integers(1, 5), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_paging_loses_and_doubles_nothing_while_signals_arrive(
    client: FlaskClient, limit: int, arriving: list[int]
) -> None:
    def arrive(many: int) -> None:
        for _ in range(many):
            assert post(client, external_id=str(uuid7()), instrument=uuid7().hex).status_code == 201

    arrive(3)
    there = [signal["id"] for signal in listed(client, "limit=250")]
    seen: list[str] = []
    cursor, waves = "", iter(arriving)
    while cursor is not None:
        page = client.get(f"{PATH}?limit={limit}{cursor and f'&cursor={cursor}'}").json or {}
        assert len(page["signals"]) <= limit
        seen += [signal["id"] for signal in page["signals"]]
        cursor = page["next_cursor"]
        arrive(next(waves, 0))
    assert seen == there
