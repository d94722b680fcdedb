"""Producers and their signatures: who may say whose message this is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from redis import Redis
from structlog.testing import capture_logs

from app.access import service as access
from app.shared import signatures
from app.shared.errors import Unauthenticated, ValidationFailed
from app.shared.redis_client import connect
from config import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BODY = b"{}"
KEY = "k" * 32
OPEN = Settings(signals_hmac_key=KEY)
REQUIRED = Settings(signals_hmac_key=KEY, signals_hmac_enabled=True)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Any]:
    with Redis.from_url(redis_url) as client:
        yield client


def signed(message_id: Any = "msg_1", key: Any = KEY) -> Any:
    return signatures.sign(BODY, key=key, message_id=message_id, now=NOW)


def check(redis: Redis, headers: Any, settings: Settings = OPEN, producer: Any = "a") -> Any:
    return access.check_signature(settings, redis, headers, BODY, producer=producer, now=NOW)


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 64])
def test_a_producer_may_be_called_so(name: str) -> None:
    assert access.producer_id(REQUIRED, {"X-Producer-Id": name}) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 65, "a/b", "\xe4", "a\n"])
def test_a_producer_may_not_be_called_so(name: str) -> None:
    with pytest.raises(ValidationFailed) as raised:
        access.producer_id(OPEN, {"X-Producer-Id": name})
    assert raised.value.errors[0].pointer == "/headers/X-Producer-Id"


def test_a_nameless_producer_is_default_where_no_signature_is_needed() -> None:
    assert access.producer_id(OPEN, {}) == "default"


def test_a_nameless_producer_is_refused_where_signatures_are_needed() -> None:
    with pytest.raises(Unauthenticated):
        access.producer_id(REQUIRED, {})


def test_an_unsigned_message_passes_only_where_no_signature_is_needed(redis: Redis) -> None:
    assert check(redis, {}) is None
    with pytest.raises(Unauthenticated):
        check(redis, {}, REQUIRED)


@pytest.mark.parametrize("settings", [OPEN, REQUIRED])
def test_a_right_signature_is_verified_and_a_wrong_one_refused_needed_or_not(redis: Redis, settings: Settings) -> None:
    assert check(redis, signed(), settings).message_id == "msg_1"
    with pytest.raises(Unauthenticated):
        check(redis, signed(key="x" * 32), settings)


def test_without_a_key_no_signature_is_right(redis: Redis) -> None:
    with pytest.raises(Unauthenticated):
        check(redis, signed(key=""), Settings())


def test_a_message_may_come_again_from_its_producer(redis: Redis) -> None:
    assert check(redis, signed())
    assert check(redis, signed())


def test_a_message_may_not_come_again_under_another_name(redis: Redis) -> None:
    check(redis, signed(), producer="a")
    with pytest.raises(Unauthenticated, match=signatures.REFUSAL):
        check(redis, signed(), producer="b")
    assert check(redis, signed("msg_2"), producer="b")


def test_what_is_remembered_is_forgotten_after_twice_the_tolerance(redis: Redis) -> None:
    check(redis, signed())
    (key,) = redis.keys()
    assert 590 < redis.ttl(key) <= 600
    assert b"msg_1" not in key
    assert KEY.encode() not in key


def test_without_redis_the_memory_is_skipped_and_said_so() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        away = connect(f"redis://127.0.0.1:{held.getsockname()[1]}/0", 0.25)
        with capture_logs() as logged:
            assert check(away, signed(), producer="a")
            assert check(away, signed(), producer="b")
        away.close()
    assert [line["event"] for line in logged] == ["webhook_memory_skipped"] * 2


ROTATING = Settings(signals_hmac_key=KEY, signals_hmac_keys=(f"a:{'1' * 32}", f"b:{'2' * 32}", f"a:{'3' * 32}"))


@pytest.mark.parametrize("key", ["1" * 32, "3" * 32])
def test_while_keys_rotate_a_producer_may_sign_with_either(redis: Redis, key: str) -> None:
    assert check(redis, signed(key=key), ROTATING, "a").message_id == "msg_1"


@pytest.mark.parametrize(("producer", "key"), [("a", "2" * 32), ("b", "1" * 32), ("a", KEY), ("b", KEY)])
def test_a_producer_with_keys_of_its_own_signs_with_no_other(redis: Redis, producer: str, key: str) -> None:
    with pytest.raises(Unauthenticated):
        check(redis, signed(key=key), ROTATING, producer)


def test_a_producer_without_one_of_its_own_signs_with_the_shared_key(redis: Redis) -> None:
    assert check(redis, signed(), ROTATING, "c")
    with pytest.raises(Unauthenticated):
        check(redis, signed(key="1" * 32), ROTATING, "c")


def test_where_there_is_no_shared_key_only_producers_with_their_own_can_sign(redis: Redis) -> None:
    own = Settings(signals_hmac_enabled=True, signals_hmac_keys=(f"a:{KEY}",))
    assert check(redis, signed(), own, "a")
    with pytest.raises(Unauthenticated):
        check(redis, signed(), own, "b")


def test_a_key_may_hold_colons_and_be_given_as_base64(redis: Redis) -> None:
    keys = (f"a:{':' * 32}", "a:whsec_" + "QUJD" * 11)
    for key in (":" * 32, "whsec_" + "QUJD" * 11):
        assert check(redis, signed(key=key), Settings(signals_hmac_keys=keys), "a")
