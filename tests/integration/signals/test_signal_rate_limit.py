"""A producer over its rate limit gets 429 with the time to wait, and headers with its budget."""

from __future__ import annotations

import pytest

from tests.integration.signals.builders import KEY, PATH, a_signal, post
from tests.integration.signals.conftest import Serve


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One database is enough: the limit does not use it."""
    return sqlite_url


def test_over_the_limit_a_signal_is_refused_with_the_time_to_wait(serve: Serve) -> None:
    client = serve(signals_rate_limit="2/hour")
    responses = [post(client, instrument=f"I{number}") for number in range(3)]
    assert [response.status_code for response in responses] == [201, 201, 429]
    assert [response.headers["RateLimit-Policy"] for response in responses] == ['"signals";q=2;w=3600'] * 3
    assert [response.headers["RateLimit"].partition(";t=")[0] for response in responses] == [
        '"signals";r=1',
        '"signals";r=0',
        '"signals";r=0',
    ]
    refusal = responses[-1]
    assert refusal.content_type == "application/problem+json"
    assert (refusal.json or {})["type"] == "/problems/rate-limited"
    assert 1_795 <= int(refusal.headers["Retry-After"]) <= 1_800
    assert post(client, producer="desk-2").status_code == 201


@pytest.mark.parametrize("redis", ["up", "away"])
def test_the_limit_holds_without_redis(serve: Serve, redis_url: str, nowhere: str, redis: str) -> None:
    client = serve(signals_rate_limit="2/hour", redis_url=nowhere if redis == "away" else redis_url)
    assert [post(client, instrument=f"I{number}").status_code for number in range(3)] == [201, 201, 429]


def test_a_batch_counts_every_signal_in_it(serve: Serve) -> None:
    client = serve(signals_rate_limit="10/hour")
    batch = {"signals": [a_signal(instrument=f"I{number}") for number in range(6)]}
    responses = [client.post(f"{PATH}/batch", json=batch, headers={"X-Producer-Id": "desk-1"}) for _ in range(2)]
    assert [response.status_code for response in responses] == [201, 429]
    assert post(client, instrument="MSFT").headers["RateLimit"].startswith('"signals";r=3;')


def test_refused_and_repeated_signals_count_too(serve: Serve) -> None:
    client = serve(signals_rate_limit="4/hour")
    responses = [
        post(client),
        post(client),
        post(client, side="hold"),
        client.post(PATH, data=b"{", content_type="application/json", headers={"X-Producer-Id": "desk-1"}),
        post(client, instrument="MSFT"),
    ]
    assert [response.status_code for response in responses] == [201, 409, 422, 400, 429]
    assert all("RateLimit" in response.headers for response in responses)


def test_nobody_spends_the_budget_of_a_producer_whose_signature_they_lack(serve: Serve) -> None:
    client = serve(signals_rate_limit="1/hour", signals_hmac_enabled=True, signals_hmac_key=KEY)
    for _ in range(3):
        response = post(client)
        assert (response.status_code, "RateLimit" in response.headers) == (401, False)


def test_without_a_limit_no_response_has_its_headers(serve: Serve) -> None:
    assert "RateLimit" not in post(serve()).headers


def test_reading_is_not_limited(serve: Serve) -> None:
    client = serve(signals_rate_limit="1/hour")
    assert post(client).status_code == 201
    assert all(client.get(PATH).status_code == 200 for _ in range(3))
