"""A signed message belongs to one producer, with or without Redis, also if many processes receive it at once."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis
from sqlalchemy import select, text
from werkzeug.test import TestResponse

from app.resources import Resources
from app.shared import signatures
from app.signals.models import Signal
from tests.integration.signals.builders import KEY, PATH, a_signal, post
from tests.integration.signals.conftest import Serve, StoppedClock

OTHER_KEY = "another key of tests, long enough as well"

Send = Callable[..., TestResponse]


@pytest.fixture(params=["single", "batch"])
def path(request: pytest.FixtureRequest) -> str:
    return PATH if request.param == "single" else f"{PATH}/batch"


@pytest.fixture
def send(path: str, clock: StoppedClock) -> Send:
    """Posts signals as one signed message; headers may be replaced."""

    def post_signed(
        client: FlaskClient,
        producer: str,
        *signals: dict[str, Any],
        key: str = KEY,
        message_id: str = "msg_1",
        **headers: str,
    ) -> TestResponse:
        documents = signals or (a_signal(),)
        body = json.dumps(documents[0] if path == PATH else {"signals": documents}).encode()
        signed = signatures.sign(body, key=key, message_id=message_id, now=clock.now)
        all_headers = {"X-Producer-Id": producer, **signed, **headers}
        return client.post(path, data=body, content_type="application/json", headers=all_headers)

    return post_signed


def producers(resources: Resources) -> list[str]:
    with resources.database.reading() as session:
        return sorted(session.scalars(select(Signal.producer_id)))


def test_two_producers_with_the_shared_key_may_choose_the_same_webhook_id(
    serve: Serve, send: Send, resources: Resources
) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    assert send(client, "desk-1", a_signal(price="1")).status_code == 201
    assert send(client, "desk-2", a_signal(price="2")).status_code == 201
    assert send(client, "desk-1", a_signal(price="1")).status_code == 409
    assert producers(resources) == ["desk-1", "desk-2"]


def test_a_replay_under_another_name_is_refused_also_when_redis_was_emptied(
    serve: Serve, send: Send, resources: Resources, redis_url: str
) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY)
    assert send(client, "desk-1").status_code == 201
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    assert send(client, "desk-2").status_code == 401
    assert send(client, "desk-1").status_code == 409
    assert producers(resources) == ["desk-1"]


def test_a_replay_under_another_name_is_refused_also_without_redis(
    serve: Serve, send: Send, resources: Resources, nowhere: str
) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY, redis_url=nowhere)
    assert send(client, "desk-1").status_code == 201
    assert send(client, "desk-2").status_code == 401
    assert producers(resources) == ["desk-1"]


def test_a_message_that_was_refused_as_a_duplicate_is_its_senders_too(
    serve: Serve, send: Send, path: str, resources: Resources, nowhere: str
) -> None:
    client = serve(signals_hmac_key=KEY, redis_url=nowhere)
    post(client, producer="desk-1")
    assert send(client, "desk-1").status_code == 409
    assert send(client, "desk-2").status_code == 401
    assert producers(resources) == ["desk-1"]


def test_a_replayer_gains_nothing_by_changing_the_list_of_signatures(
    serve: Serve, send: Send, clock: StoppedClock, path: str, nowhere: str
) -> None:
    """Three producers hold the same two keys, as while one replaces the other; the message is signed with both."""
    names = ("desk-1", "desk-2", "desk-3")
    keys = tuple(f"{name}:{key}" for name in names for key in (KEY, OTHER_KEY))
    client = serve(signals_hmac_enabled=True, signals_hmac_keys=keys, redis_url=nowhere)
    body = json.dumps(a_signal() if path == PATH else {"signals": [a_signal()]}).encode()
    one, other = (
        signatures.sign(body, key=key, message_id="msg_1", now=clock.now)["webhook-signature"]
        for key in (KEY, OTHER_KEY)
    )
    assert send(client, "desk-1", **{"webhook-signature": f"{one} {other}"}).status_code == 201
    unpadded = other.rstrip("=")
    replays = (one, other, f"{other} {one}", f"v1,AAAA {one}", f"{one} v2,x", f"{unpadded} {other}=", f"{other}  {one}")
    responses = [send(client, "desk-2", **{"webhook-signature": text}).status_code for text in replays]
    assert set(responses) == {401}
    assert send(client, "desk-3", **{"webhook-signature": other}).status_code == 401
    assert send(client, "desk-1", **{"webhook-signature": other}).status_code == 409


def test_the_same_content_signed_with_different_keys_is_two_messages(serve: Serve, send: Send) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_keys=(f"desk-1:{KEY}", f"desk-2:{OTHER_KEY}"))
    assert send(client, "desk-1").status_code == 201
    assert send(client, "desk-2", key=OTHER_KEY).status_code == 201


def test_of_many_producers_at_once_one_gets_a_message(
    serve: Serve, send: Send, resources: Resources, nowhere: str, clock: StoppedClock
) -> None:
    """Two services, as two web processes, receive the message under several names at once, without Redis."""
    services = [serve(signals_hmac_enabled=True, signals_hmac_key=KEY, redis_url=nowhere) for _ in range(2)]
    names = [f"desk-{number}" for number in range(6)]
    barrier = Barrier(len(names))
    for round_number in range(5):

        def replay(number: int, message_id: str = f"msg_{round_number}") -> int:
            client = services[number % 2].application.test_client()
            barrier.wait()
            return send(client, names[number], message_id=message_id).status_code

        with ThreadPoolExecutor(len(names)) as pool:
            statuses = sorted(pool.map(replay, range(len(names))))
        assert statuses == [201] + [401] * (len(names) - 1)
        clock.advance(1_000)
    assert len(producers(resources)) == 5


def test_an_unsigned_signal_stores_no_signed_message(serve: Serve, resources: Resources) -> None:
    assert post(serve(signals_hmac_key=KEY)).status_code == 201
    with resources.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM signed_messages")) == 0
