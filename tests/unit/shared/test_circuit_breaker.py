"""The circuit breaker: one failure opens it, one trial after the pause decides, and each burst is logged once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from app.shared.circuit_breaker import CircuitBreaker

PAUSE = 2.0


class Seconds:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def breaker(seconds: Seconds) -> CircuitBreaker:
    return CircuitBreaker("server", PAUSE, seconds)


def test_a_closed_circuit_allows_every_call(breaker: CircuitBreaker) -> None:
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3
    breaker.record_success()
    assert breaker.allows_call()


def test_one_failure_opens_the_circuit_for_the_pause(breaker: CircuitBreaker, seconds: Seconds) -> None:
    breaker.record_failure("refused")
    seconds.now += PAUSE - 0.1
    assert not breaker.allows_call()
    seconds.now += 0.1
    assert breaker.allows_call()


def test_after_the_pause_one_call_is_a_trial_and_the_others_wait_for_its_outcome(
    breaker: CircuitBreaker, seconds: Seconds
) -> None:
    breaker.record_failure("refused")
    seconds.now += PAUSE
    assert [breaker.allows_call() for _ in range(3)] == [True, False, False]
    breaker.record_success()
    assert [breaker.allows_call() for _ in range(3)] == [True] * 3


def test_of_many_threads_one_makes_the_trial(breaker: CircuitBreaker, seconds: Seconds) -> None:
    breaker.record_failure("refused")
    seconds.now += PAUSE
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: breaker.allows_call(), range(500))) == 1


def test_a_trial_that_fails_starts_the_next_pause(breaker: CircuitBreaker, seconds: Seconds) -> None:
    breaker.record_failure("refused")
    seconds.now += PAUSE
    assert breaker.allows_call()
    seconds.now += 1.0
    breaker.record_failure("refused")
    seconds.now += PAUSE - 0.1
    assert not breaker.allows_call()
    seconds.now += 0.1
    assert breaker.allows_call()


def test_a_trial_without_an_outcome_is_followed_by_another(breaker: CircuitBreaker, seconds: Seconds) -> None:
    breaker.record_failure("refused")
    seconds.now += PAUSE
    assert breaker.allows_call()
    seconds.now += PAUSE
    assert breaker.allows_call()


def test_a_call_that_began_before_the_failure_does_not_close_the_circuit(breaker: CircuitBreaker) -> None:
    assert breaker.allows_call()
    breaker.record_failure("refused")
    breaker.record_success()
    assert not breaker.allows_call()


def test_a_burst_of_failures_is_logged_once_and_so_is_its_end(breaker: CircuitBreaker, seconds: Seconds) -> None:
    with capture_logs() as logged:
        for _ in range(2):
            for _ in range(3):
                breaker.record_failure(ConnectionError("refused"))
                seconds.now += PAUSE
            assert breaker.allows_call()
            breaker.record_success()
            breaker.record_success()
    assert (
        logged
        == [
            {"event": "server_unavailable", "error": "refused", "pause_seconds": PAUSE, "log_level": "warning"},
            {"event": "server_available", "log_level": "info"},
        ]
        * 2
    )
