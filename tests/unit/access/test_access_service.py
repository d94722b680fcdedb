"""Which producer a message belongs to, by its name and its signature."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.access import service as access
from app.access.models import SignedMessage
from app.shared import signatures
from app.shared.db import Database
from app.shared.errors import Unauthenticated, ValidationFailed
from config import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BODY = b"{}"
KEY = "k" * 32
OPEN = Settings(signals_hmac_key=KEY)
REQUIRED = Settings(signals_hmac_key=KEY, signals_hmac_enabled=True)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(Settings(database_url=database_url).sqlalchemy_url)
    yield opened
    opened.dispose()


def signed(message_id: Any = "msg_1", key: Any = KEY) -> Any:
    return signatures.sign(BODY, key=key, message_id=message_id, now=NOW)


def check(database: Database, headers: Any, settings: Settings = OPEN, producer: Any = "a") -> Any:
    return access.check_signature(settings, database, headers, BODY, producer=producer, now=NOW)


@pytest.mark.parametrize("name", ["a", "A.b_c-9", "x" * 64])
def test_a_valid_producer_name_is_accepted(name: str) -> None:
    assert access.producer_id(REQUIRED, {"X-Producer-Id": name}) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "x" * 65, "a/b", "\xe4", "a\n"])
def test_an_invalid_producer_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationFailed) as raised:
        access.producer_id(OPEN, {"X-Producer-Id": name})
    assert raised.value.errors[0].pointer == "/headers/X-Producer-Id"


def test_a_nameless_producer_is_default_where_no_signature_is_needed() -> None:
    assert access.producer_id(OPEN, {}) == "default"


def test_a_nameless_producer_is_refused_where_signatures_are_needed() -> None:
    with pytest.raises(Unauthenticated):
        access.producer_id(REQUIRED, {})


def test_an_unsigned_message_passes_only_where_no_signature_is_needed(database: Database) -> None:
    assert check(database, {}) is None
    with pytest.raises(Unauthenticated):
        check(database, {}, REQUIRED)


@pytest.mark.parametrize("settings", [OPEN, REQUIRED])
def test_a_right_signature_is_verified_and_a_wrong_one_refused_needed_or_not(
    database: Database, settings: Settings
) -> None:
    assert check(database, signed(), settings).message_id == "msg_1"
    with pytest.raises(Unauthenticated):
        check(database, signed(key="x" * 32), settings)


def test_without_a_key_no_signature_is_right(database: Database) -> None:
    with pytest.raises(Unauthenticated):
        check(database, signed(key=""), Settings())


def test_a_producer_may_send_its_message_again(database: Database) -> None:
    assert check(database, signed())
    assert check(database, signed())


def test_a_message_is_refused_under_the_name_of_another_producer(database: Database) -> None:
    check(database, signed(), producer="a")
    with pytest.raises(Unauthenticated, match=signatures.REFUSAL):
        check(database, signed(), producer="b")
    assert check(database, signed("msg_2"), producer="b")


def test_the_same_id_may_be_another_producers_own_message(database: Database) -> None:
    check(database, signed(), producer="a")
    later = signatures.sign(BODY, key=KEY, message_id="msg_1", now=NOW + timedelta(seconds=1))
    assert check(database, later, producer="b")


def test_a_message_is_remembered_by_neither_its_key_nor_its_signature(database: Database) -> None:
    headers = signed()
    check(database, headers)
    with database.reading() as session:
        (digest,) = session.scalars(select(SignedMessage.digest))
    assert digest not in str(headers)
    assert KEY not in digest


def test_a_message_is_forgotten_after_twice_the_tolerance_and_not_before(database: Database) -> None:
    check(database, signed())
    for seconds, forgotten in ((600, 0), (601, 1), (601, 0)):
        with database.transaction() as session:
            now = NOW + timedelta(seconds=seconds)
            assert access.forget_messages(OPEN, session, now=now, limit=10) == forgotten


def test_old_messages_are_deleted_in_batches_of_limited_size(database: Database) -> None:
    for number in range(3):
        check(database, signed(f"msg_{number}"))
    with database.transaction() as session:
        assert access.forget_messages(OPEN, session, now=NOW + timedelta(days=1), limit=2) == 2


def test_an_unsigned_message_is_not_remembered(database: Database) -> None:
    check(database, {})
    with database.reading() as session:
        assert session.scalars(select(SignedMessage.digest)).all() == []


ROTATING = Settings(signals_hmac_key=KEY, signals_hmac_keys=(f"a:{'1' * 32}", f"b:{'2' * 32}", f"a:{'3' * 32}"))


@pytest.mark.parametrize("key", ["1" * 32, "3" * 32])
def test_while_keys_rotate_a_producer_may_sign_with_either(database: Database, key: str) -> None:
    assert check(database, signed(key=key), ROTATING, "a").message_id == "msg_1"


@pytest.mark.parametrize(("producer", "key"), [("a", "2" * 32), ("b", "1" * 32), ("a", KEY), ("b", KEY)])
def test_a_producer_with_keys_of_its_own_signs_with_no_other(database: Database, producer: str, key: str) -> None:
    with pytest.raises(Unauthenticated):
        check(database, signed(key=key), ROTATING, producer)


def test_a_producer_without_one_of_its_own_signs_with_the_shared_key(database: Database) -> None:
    assert check(database, signed(), ROTATING, "c")
    with pytest.raises(Unauthenticated):
        check(database, signed(key="1" * 32), ROTATING, "c")


def test_where_there_is_no_shared_key_only_producers_with_their_own_can_sign(database: Database) -> None:
    own = Settings(signals_hmac_enabled=True, signals_hmac_keys=(f"a:{KEY}",))
    assert check(database, signed(), own, "a")
    with pytest.raises(Unauthenticated):
        check(database, signed(), own, "b")


A, B, C = ("1" * 32, "2" * 32, "3" * 32)


@pytest.mark.parametrize(
    ("shared", "keys", "exclusive"),
    [
        ("", (f"a:{A}",), {"a"}),
        (KEY, (f"a:{A}", f"b:{B}", f"a:{C}"), {"a", "b"}),
        (KEY, (f"a:{A}", f"b:{A}", f"c:{C}"), {"c"}),
        (KEY, (f"a:{A}", f"a:{B}", f"b:{B}"), set()),
        (A, (f"a:{A}", f"b:{B}"), {"b"}),
        (A, (f"a:{A}", f"a:{B}"), set()),
        (KEY, (f"a:{A}", f"a:{A}"), {"a"}),
        (KEY, (), set()),
    ],
)
def test_a_producer_has_exclusive_keys_when_each_is_nobody_elses(
    shared: str, keys: tuple[str, ...], exclusive: set[str]
) -> None:
    settings = Settings(signals_hmac_key=shared, signals_hmac_keys=keys)
    assert {name for name in "abcd" if access.has_exclusive_keys(settings, name)} == exclusive


@pytest.mark.parametrize(
    "same",
    [
        "whsec_" + base64.b64encode(A.encode()).decode(),
        "whsec_" + base64.b64encode(A.encode() + b"\0\0").decode(),
    ],
)
def test_keys_that_sign_alike_are_one_key_however_they_are_written(same: str) -> None:
    settings = Settings(signals_hmac_keys=(f"a:{A}", f"b:{same}"))
    assert not access.has_exclusive_keys(settings, "a")
    assert not access.has_exclusive_keys(settings, "b")


def test_a_long_key_and_its_digest_are_one_key() -> None:
    digest = base64.b64encode(hashlib.sha256(b"x" * 65).digest()).decode()
    settings = Settings(signals_hmac_key="x" * 65, signals_hmac_keys=(f"a:whsec_{digest}",))
    assert not access.has_exclusive_keys(settings, "a")


def test_a_message_signed_with_a_key_of_one_producer_alone_is_not_kept(database: Database) -> None:
    own = Settings(signals_hmac_key=KEY, signals_hmac_keys=(f"a:{A}", f"b:{B}", f"c:{B}"))
    kept = []
    for producer, key in (("a", A), ("b", B), ("d", KEY)):
        assert check(database, signed(key=key), own, producer)
        with database.reading() as session:
            kept.append(sorted(session.scalars(select(SignedMessage.producer_id))))
    assert kept == [[], ["b"], ["b", "d"]]
    with pytest.raises(Unauthenticated):
        check(database, signed(key=B), own, "c")


def test_a_key_may_hold_colons_and_be_given_as_base64(database: Database) -> None:
    keys = (f"a:{':' * 32}", "a:whsec_" + "QUJD" * 11)
    for key in (":" * 32, "whsec_" + "QUJD" * 11):
        assert check(database, signed(key=key), Settings(signals_hmac_keys=keys), "a")
