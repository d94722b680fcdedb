"""Rate limits of producers: Redis and the memory of a process decide in the same way."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from structlog.testing import capture_logs

from app.access import rate_limits
from app.access.rate_limits import Rate, RateLimiter
from app.shared.redis_client import connect
from tests.processes import free_port


@dataclass
class Ticks:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def nowhere() -> Iterator[Any]:
    with connect(f"redis://127.0.0.1:{free_port()}/0", 0.25) as client:
        yield client


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture(params=["redis", "memory"])
def limiter(request: pytest.FixtureRequest, ticks: Ticks) -> RateLimiter:
    """A limit of ten an hour: the budget does not grow noticeably during a test."""
    if request.param == "redis":
        return RateLimiter(request.getfixturevalue("redis"), Rate(10, 3_600))
    return RateLimiter(request.getfixturevalue("nowhere"), Rate(10, 3_600), ticks)


def test_the_whole_budget_may_be_spent_at_once_and_no_more(limiter: RateLimiter) -> None:
    budgets = [limiter.spend("a", 1) for _ in range(11)]
    assert [budget.remaining for budget in budgets] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0]
    assert [budget.wait_seconds > 0 for budget in budgets] == [False] * 10 + [True]
    assert budgets[-1].wait_seconds == pytest.approx(360, abs=2)
    assert budgets[-1].reset_seconds == pytest.approx(3_600, abs=2)


def test_a_budget_that_time_does_not_divide_holds_all_of_its_signals(redis: Redis) -> None:
    limiter = RateLimiter(redis, Rate(251, 86_400))
    assert [limiter.spend("a", count).wait_seconds for count in (1, 250)] == [0, 0]
    assert limiter.spend("a", 1).wait_seconds > 0


def test_a_batch_spends_one_for_each_of_its_signals(limiter: RateLimiter) -> None:
    assert limiter.spend("a", 7).remaining == 3
    assert limiter.spend("a", 4).wait_seconds > 0
    assert limiter.spend("a", 3).wait_seconds == 0


def test_a_refusal_costs_nothing(limiter: RateLimiter) -> None:
    limiter.spend("a", 9)
    for _ in range(3):
        assert limiter.spend("a", 2).remaining == 1
    assert limiter.spend("a", 1).wait_seconds == 0


def test_each_producer_has_a_budget_of_its_own(limiter: RateLimiter) -> None:
    limiter.spend("a", 10)
    assert limiter.spend("b", 10).wait_seconds == 0


def test_more_than_the_whole_budget_is_taken_from_a_full_one_and_paid_off_after(limiter: RateLimiter) -> None:
    budget = limiter.spend("a", 25)
    assert (budget.wait_seconds, budget.remaining) == (0, 0)
    assert budget.reset_seconds == pytest.approx(2.5 * 3_600, abs=2)
    assert limiter.spend("a", 1).wait_seconds == pytest.approx(1.6 * 3_600, abs=2)
    limiter.spend("b", 1)
    assert limiter.spend("b", 25).wait_seconds > 0


def test_the_budget_fills_evenly(nowhere: Redis, ticks: Ticks) -> None:
    limiter = RateLimiter(nowhere, Rate(10, 3_600), ticks)
    limiter.spend("a", 10)
    ticks.now += 359
    assert limiter.spend("a", 1).wait_seconds == pytest.approx(1)
    ticks.now += 1
    assert limiter.spend("a", 1).wait_seconds == 0
    ticks.now += 36_000
    assert limiter.spend("a", 1).remaining == 9


def test_it_fills_evenly_in_redis_too(redis: Redis) -> None:
    limiter = RateLimiter(redis, Rate(10, 1))
    assert limiter.spend("a", 10).wait_seconds == 0
    assert limiter.spend("a", 3).wait_seconds > 0
    time.sleep(0.31)
    assert limiter.spend("a", 3).wait_seconds == 0


def test_what_redis_keeps_goes_when_the_budget_is_full_again(redis: Redis) -> None:
    RateLimiter(redis, Rate(10, 100)).spend("a", 2)
    assert 19_000 < redis.pttl("rate:a") <= 20_001


def test_of_many_at_once_no_more_than_the_budget_pass(limiter: RateLimiter) -> None:
    with ThreadPoolExecutor(8) as pool:
        budgets = list(pool.map(lambda _: limiter.spend("a", 1), range(60)))
    assert sum(budget.wait_seconds == 0 for budget in budgets) == 10


def test_without_redis_each_process_limits_by_itself_and_logs_it_once(nowhere: Redis, ticks: Ticks) -> None:
    limiter = RateLimiter(nowhere, Rate(2, 60), ticks)
    with capture_logs() as logs:
        budgets = [limiter.spend("a", 1).wait_seconds > 0 for _ in range(3)]
    assert budgets == [False, False, True]
    assert [line["event"] for line in logs] == ["rate_limits_unavailable"]


def test_redis_is_used_again_after_a_pause(redis: Redis, ticks: Ticks) -> None:
    limiter = RateLimiter(redis, Rate(2, 60), ticks)
    limiter._breaker.record_failure("refused")
    limiter.spend("a", 1)
    assert not redis.exists("rate:a")
    ticks.now += rate_limits.PAUSE_SECONDS
    limiter.spend("a", 1)
    assert redis.exists("rate:a")


def test_a_process_remembers_a_limited_number_of_producers(
    nowhere: Redis, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate_limits, "MAX_PRODUCERS", 10)
    limiter = RateLimiter(nowhere, Rate(2, 60), ticks)
    for number in range(1_000):
        limiter.spend(f"p{number}", 1)
    assert len(limiter._full_at) <= 10
    assert limiter.spend("p999", 1).remaining == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 1_000), spent=st.lists(st.integers(1, 1_500), min_size=1, max_size=6))
def test_redis_and_memory_decide_alike(redis: Redis, nowhere: Redis, count: int, spent: list[int]) -> None:
    redis.flushall()
    rate = Rate(count, 86_400)
    ticks = Ticks()
    pair = RateLimiter(redis, rate), RateLimiter(nowhere, rate, ticks)
    for amount in spent:
        shared, own = (limiter.spend("a", amount) for limiter in pair)
        assert (shared.wait_seconds > 0) == (own.wait_seconds > 0)
        assert abs(shared.remaining - own.remaining) <= 1
        assert shared.reset_seconds == pytest.approx(own.reset_seconds, abs=5)
