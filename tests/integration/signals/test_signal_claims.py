"""Claims of deduplication keys in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from redis import Redis

from app.shared.db import uuid7
from app.shared.queue import EVENTS, wake_key
from app.shared.redis_client import connect
from app.signals.dedup.redis_claims import (
    CLAIM_MILLISECONDS,
    PAUSE_SECONDS,
    Claims,
    claim_keys,
)
from app.signals.domain import DedupRule
from tests.integration.signals.builders import NOON, a_new_signal

RULE = DedupRule(300)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, 1.0) as client:
        yield client


@pytest.fixture
def claims(redis: Redis) -> Claims:
    return Claims(redis, window_seconds=300)


def test_a_signal_has_a_key_for_its_window_and_one_for_its_external_id() -> None:
    assert len(claim_keys(RULE.identify(a_new_signal()))) == 1
    assert len(claim_keys(RULE.identify(a_new_signal(external_id="e")))) == 2
    assert len(claim_keys(DedupRule(0).identify(a_new_signal(external_id="e")))) == 1
    assert claim_keys(DedupRule(0).identify(a_new_signal())) == ()


def test_keys_are_shared_within_a_bucket_and_by_an_external_id_only() -> None:
    one = claim_keys(RULE.identify(a_new_signal(external_id="e")))
    assert claim_keys(RULE.identify(a_new_signal(external_id="e", time=NOON + timedelta(seconds=299)))) == one
    assert set(claim_keys(RULE.identify(a_new_signal(external_id="e", time=NOON + timedelta(seconds=300))))) & set(
        one
    ) == {one[0]}
    assert not set(claim_keys(RULE.identify(a_new_signal(external_id="f", version="2")))) & set(one)


def test_an_unsettled_claim_is_pending_and_never_a_duplicate(claims: Claims) -> None:
    first, second = claims.take(["a", "b"]), claims.take(["b", "c"])
    assert (first.owned, first.marked, first.pending) == (("a", "b"), {}, ())
    assert (second.owned, second.marked, second.pending) == (("c",), {}, ("b",))


def test_a_claim_expires_by_itself(claims: Claims, redis: Redis) -> None:
    claims.take(["a"])
    assert 0 < redis.pttl("a") <= CLAIM_MILLISECONDS


def test_a_settled_claim_names_its_signal_for_a_window(claims: Claims, redis: Redis) -> None:
    signal_id = uuid7()
    claims.settle(claims.take(["a"]), {"a": signal_id})
    assert claims.take(["a"]).marked == {"a": f"d:{signal_id}".encode()}
    assert 299_000 < redis.pttl("a") <= 300_000


def test_settling_releases_what_it_does_not_mark(claims: Claims, redis: Redis) -> None:
    claims.settle(claims.take(["a", "b"]), {"a": uuid7()})
    assert redis.get("b") is None


def test_only_the_first_claim_of_a_second_publishes_the_wake_up(claims: Claims, redis: Redis) -> None:
    assert claims.settle(claims.take(["a"]), {"a": uuid7()}, wake=EVENTS)
    assert not claims.settle(claims.take(["b"]), {"b": uuid7()}, wake=EVENTS)
    redis.delete(wake_key(EVENTS))
    assert claims.settle(claims.take(["c"]), {"c": uuid7()}, wake=EVENTS)
    assert not claims.settle(claims.take(["d"]), {"d": uuid7()})


def test_releasing_gives_back_own_claims_and_leaves_those_of_others(claims: Claims, redis: Redis) -> None:
    first = claims.take(["a", "b"])
    redis.delete("b")
    second = claims.take(["b"])
    claims.release(first)
    assert redis.get("a") is None
    assert redis.get("b") == second.token.encode()


def test_a_wrong_marker_is_forgotten_unless_it_was_replaced(claims: Claims, redis: Redis) -> None:
    claims.settle(claims.take(["a", "b"]), dict.fromkeys("ab", uuid7()))
    marked = claims.take(["a", "b"]).marked
    redis.set("b", "d:newer")
    claims.forget(marked)
    assert redis.mget("a", "b") == [None, b"d:newer"]


def test_without_redis_nothing_is_claimed_and_everyone_may_publish(nowhere: str) -> None:
    with connect(nowhere, 0.2) as redis:
        claims = Claims(redis, window_seconds=300)
        claim = claims.take(["a"])
        assert (claim.available, claim.owned, claim.marked) == (False, (), {})
        assert claims.settle(claim, {"a": uuid7()}, wake=EVENTS)
        claims.release(claim)
        claims.forget({"a": b"d:x"})


def test_after_a_failure_redis_is_not_used_for_a_pause_and_then_tried_again(redis_url: str, nowhere: str) -> None:
    seconds = 100.0
    with connect(nowhere, 0.2) as redis, connect(redis_url, 1.0) as back:
        claims = Claims(redis, window_seconds=300, monotonic=lambda: seconds)
        assert not claims.take(["a"]).available
        redis.connection_pool = back.connection_pool
        seconds += PAUSE_SECONDS - 0.1
        assert not claims.take(["a"]).available
        seconds += 0.2
        assert claims.take(["a"]).available


def test_a_redis_that_refuses_writes_is_treated_as_unavailable(claims: Claims, redis: Redis) -> None:
    redis.config_set("maxmemory", "1")
    try:
        assert not claims.take(["a"]).available
    finally:
        redis.config_set("maxmemory", "0")


def test_with_the_window_off_an_external_id_is_marked_all_the_same(redis: Redis) -> None:
    claims = Claims(redis, window_seconds=0)
    claims.settle(claims.take(["a"]), {"a": uuid7()})
    assert redis.pttl("a") > 0
