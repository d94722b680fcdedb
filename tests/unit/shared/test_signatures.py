"""Signed messages: which are verified, and that all others are refused with the same text."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared import signatures
from app.shared.errors import Unauthenticated

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BODY = b'{"instrument":"EURUSD"}'
KEY = "plain-key-of-at-least-thirty-two-characters"


def verify(headers: Any, body: bytes = BODY, keys: Any = (KEY,), now: Any = NOW, legacy: Any = False) -> Any:
    return signatures.verify(headers, body, keys=keys, now=now, tolerance_seconds=300, legacy=legacy)


def signed(message_id: Any = "msg_1", key: Any = KEY, now: Any = NOW, body: bytes = BODY) -> Any:
    return signatures.sign(body, key=key, message_id=message_id, now=now)


def test_a_published_example_of_standard_webhooks_verifies() -> None:
    """The test vector that the libraries of Standard Webhooks share."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    when = datetime.fromtimestamp(1614265330, UTC)
    assert verify(headers, body, (key,), when).message_id == "msg_p5jXN8AQM9LWM0D4loKWxJek"


def test_a_message_that_sign_signs_is_verified() -> None:
    assert verify(signed()).message_id == "msg_1"


def test_a_key_in_base64_is_decoded() -> None:
    encoded = "whsec_" + base64.b64encode(KEY.encode()).decode()
    assert verify(signed(key=encoded)).message_id == "msg_1"


def test_a_key_with_the_prefix_that_is_not_base64_is_a_problem_of_the_settings() -> None:
    with pytest.raises(ValueError, match="base64"):
        signatures.key_bytes("whsec_***")


def test_a_message_has_a_digest_for_each_key_whichever_signature_was_given() -> None:
    keys = (KEY, "old" * 12)
    new, old = verify(signed(), keys=keys), verify(signed(key="old" * 12), keys=keys)
    assert (
        set(new.digests)
        == set(old.digests)
        == set(verify(signed()).digests) | set(verify(signed(key="old" * 12), keys=keys[1:]).digests)
    )
    assert len(new.digests) == 2


def test_digests_of_different_messages_differ_and_contain_no_signature() -> None:
    (one,), (other,) = verify(signed("msg_1")).digests, verify(signed("msg_2")).digests
    assert one != other
    assert one not in str(signed("msg_1"))


def test_two_texts_of_one_key_give_one_digest() -> None:
    encoded = "whsec_" + base64.b64encode(KEY.encode()).decode()
    assert verify(signed(), keys=(KEY, encoded)).digests == verify(signed()).digests


def test_the_older_scheme_gives_no_digest() -> None:
    headers = {"X-Signature": hmac.new(KEY.encode(), BODY, hashlib.sha256).hexdigest()}
    assert verify(headers, legacy=True).digests == ()


def test_one_valid_signature_of_several_is_enough() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1a,ZWQ= v1,bm8= " + headers["webhook-signature"]
    assert verify(headers)


def test_signatures_after_the_sixteenth_are_ignored() -> None:
    headers = signed()
    headers["webhook-signature"] = "v1,bm8= " * 16 + headers["webhook-signature"]
    with pytest.raises(Unauthenticated):
        verify(headers)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_message_within_the_tolerance_is_verified(seconds: int) -> None:
    assert verify(signed(now=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("seconds", [-301, 301, 10**9])
def test_a_message_outside_the_tolerance_is_refused(seconds: int) -> None:
    with pytest.raises(Unauthenticated):
        verify(signed(now=NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize("missing", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_a_message_without_one_of_the_headers_is_refused(missing: Any) -> None:
    headers = signed()
    del headers[missing]
    with pytest.raises(Unauthenticated):
        verify(headers)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook-id", ""),
        ("webhook-id", "a" * 129),
        ("webhook-id", "a b"),
        ("webhook-id", "\xe4"),
        ("webhook-timestamp", "now"),
        ("webhook-timestamp", "-1"),
        ("webhook-timestamp", "1e9"),
        ("webhook-timestamp", "\u0661\u0662"),
        ("webhook-timestamp", "9" * 40),
        ("webhook-signature", ""),
        ("webhook-signature", "v1"),
        ("webhook-signature", "v1,"),
        ("webhook-signature", "v1,\xe4"),
        ("webhook-signature", ",,,   ,"),
    ],
)
def test_a_malformed_header_is_refused_like_a_wrong_one(name: str, value: Any) -> None:
    with pytest.raises(Unauthenticated, match=signatures.REFUSAL):
        verify(signed() | {name: value})


@given(st.data())
def test_any_flipped_bit_of_a_signed_message_is_refused(data: Any) -> None:
    headers = signed()
    name = data.draw(st.sampled_from([*headers, "body"]))
    raw = bytearray(BODY if name == "body" else headers[name].encode())
    place = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[place // 8] ^= 1 << place % 8
    changed = (headers, bytes(raw)) if name == "body" else (headers | {name: raw.decode("latin-1")}, BODY)
    with pytest.raises(Unauthenticated):
        verify(*changed)


def test_without_a_key_no_message_is_verified() -> None:
    with pytest.raises(Unauthenticated):
        verify(signed(), keys=())


def test_an_unsigned_message_is_refused() -> None:
    with pytest.raises(Unauthenticated):
        verify({})
    assert not signatures.is_signed({"content-type": "application/json"})


def legacy_header(body: bytes = BODY) -> Any:
    return {"X-Signature": hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()}


def test_the_older_signature_holds_only_where_it_is_allowed() -> None:
    assert verify(legacy_header(), legacy=True).message_id is None
    with pytest.raises(Unauthenticated):
        verify(legacy_header())


@pytest.mark.parametrize("value", ["", "00" * 32, "\xe4", legacy_header(b"other")["X-Signature"]])
def test_a_wrong_older_signature_is_refused(value: Any) -> None:
    with pytest.raises(Unauthenticated):
        verify({"X-Signature": value}, legacy=True)


def test_a_valid_older_signature_does_not_replace_a_wrong_new_one() -> None:
    with pytest.raises(Unauthenticated):
        verify(signed(key="x" * 40) | legacy_header(), legacy=True)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature", "X-Signature"])
def test_a_message_with_one_header_of_a_scheme_counts_as_signed(name: str) -> None:
    assert signatures.is_signed({name: ""})
