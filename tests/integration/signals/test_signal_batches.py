"""Many signals in one request: each is decided as if it were posted alone, and all are stored in one transaction."""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import event, func, select, text
from werkzeug.test import TestResponse

from app.events.models import Event
from app.resources import Resources
from app.shared import signatures
from app.shared.db import Database
from app.signals.api.batch_schemas import item_external_id
from app.signals.intake import Intake
from app.signals.models import Signal, SignalRow
from tests.integration.signals.builders import KEY, NOON, PATH, a_new_signal, a_signal, post
from tests.integration.signals.conftest import Serve, StoppedClock

BATCH = f"{PATH}/batch"


def post_batch(client: FlaskClient, *signals: Any, producer: str = "desk-1", **envelope: Any) -> TestResponse:
    return client.post(BATCH, json={"signals": list(signals), **envelope}, headers={"X-Producer-Id": producer})


def statuses(response: TestResponse) -> list[int]:
    return [result["status"] for result in (response.json or {})["results"]]


def stored(resources: Resources, table: type[Signal | Event] = Signal) -> int:
    with resources.database.reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def different(many: int) -> list[dict[str, Any]]:
    return [a_signal(instrument=f"I{number}", external_id=f"e{number}") for number in range(many)]


def at(seconds: float) -> str:
    return (NOON - timedelta(days=1) + timedelta(seconds=seconds)).isoformat()


def test_a_batch_of_new_signals_is_stored_and_answered_one_by_one(client: FlaskClient, resources: Resources) -> None:
    response = post_batch(client, *different(100))
    document = response.json or {}
    assert response.status_code == 201
    assert document["summary"] == {"total": 100, "created": 100, "duplicates": 0, "invalid": 0, "not_stored": 0}
    assert [result["index"] for result in document["results"]] == list(range(100))
    for result in document["results"]:
        signal = result["signal"]
        assert signal["instrument"] == f"I{result['index']}"
        assert client.get(f"{PATH}/{signal['id']}").json == signal
    assert (stored(resources), stored(resources, Event)) == (100, 100)


def test_the_stored_signals_of_a_batch_equal_the_sent_ones_to_the_last_digit(client: FlaskClient) -> None:
    body = b"""{"signals":[
        {"instrument":"A","side":"buy","price":0.10,"payload":{"x":1.10,"y":12345678901234567890.5,"z":1e-7}},
        {"instrument":"B","side":"buy","price":"0.000000000000000010","time":"2026-03-02T12:00:00.000001Z"},
        {"instrument":"C","side":"sell","price":1e3,"external_id":"a'\\"\\\\{}",
         "payload":{"note":"\xe2\x82\xac \\n\\"'"}}]}"""
    results = (client.post(BATCH, data=body, content_type="application/json").json or {})["results"]
    read = [client.get(f"{PATH}/{result['signal']['id']}") for result in results]
    assert [response.json for response in read] == [result["signal"] for result in results]
    assert [(response.json or {})["price"] for response in read] == ["0.10", "0.000000000000000010", "1000"]
    assert b'"x":1.10,"y":12345678901234567890.5,"z":1E-7' in read[0].data
    assert (read[1].json or {})["time"] == "2026-03-02T12:00:00.000001Z"
    assert (read[2].json or {})["external_id"] == "a'\"\\{}"
    assert (read[2].json or {})["payload"] == {"note": "\u20ac \n\"'"}


def test_every_signal_of_a_batch_has_its_event(client: FlaskClient, resources: Resources) -> None:
    headers = {"X-Request-ID": "request-9"}
    response = client.post(BATCH, json={"signals": [*different(3), a_signal(side="hold")]}, headers=headers)
    with resources.database.reading() as session:
        events = session.scalars(select(Event).order_by(Event.id)).all()
    ids = [result["signal"]["id"] for result in (response.json or {})["results"][:3]]
    assert [event.subject for event in events] == ids
    assert {(event.kind, event.request_id, event.dispatched_at) for event in events} == {
        ("signal.received", "request-9", None)
    }


def test_in_a_mixed_batch_each_result_is_what_the_item_would_have_got_alone(
    client: FlaskClient, resources: Resources
) -> None:
    first = post(client, external_id="known").json or {}
    response = post_batch(
        client,
        a_signal(instrument="MSFT"),
        a_signal(external_id="known", instrument="GOOG"),
        a_signal(instrument="TSLA", side="hold", price=-1),
        a_signal(instrument="AAPL", price="186"),
        "no signal",
    )
    document = response.json or {}
    assert response.status_code == 207
    assert statuses(response) == [201, 409, 422, 409, 422]
    assert document["summary"] == {"total": 5, "created": 1, "duplicates": 2, "invalid": 2, "not_stored": 0}
    by_id, wrong, by_window, no_object = (result["problem"] for result in document["results"][1:])
    assert (by_id["existing_signal_id"], by_id["matched_on"]) == (first["id"], "external_id")
    assert (by_window["existing_signal_id"], by_window["matched_on"]) == (first["id"], "window")
    assert by_window["differs"] == ["external_id", "price"]
    assert {error["pointer"] for error in wrong["errors"]} == {"/signals/2/side", "/signals/2/price"}
    assert no_object["errors"][0]["pointer"] == "/signals/4"
    for problem in (by_id, wrong, by_window, no_object):
        assert problem["type"].startswith("/problems/")
        assert problem["request_id"] == response.headers["X-Request-ID"]
    assert stored(resources) == 2


def test_of_equal_items_the_first_wins_and_later_ones_name_it(client: FlaskClient, resources: Resources) -> None:
    response = post_batch(
        client,
        a_signal(external_id="a"),
        a_signal(external_id="a", instrument="MSFT"),
        a_signal(price="2"),
        a_signal(instrument="GOOG", time=at(0)),
        a_signal(instrument="GOOG", time=at(299)),
        a_signal(instrument="GOOG", time=at(300)),
    )
    results = (response.json or {})["results"]
    assert statuses(response) == [201, 409, 409, 201, 409, 201]
    named = [(result["problem"]["duplicate_of_index"], result["problem"]["matched_on"]) for result in results[1:3]]
    assert named == [(0, "external_id"), (0, "window")]
    assert results[4]["problem"]["duplicate_of_index"] == 3
    assert results[4]["problem"]["existing_signal_id"] == results[3]["signal"]["id"]
    assert stored(resources) == 3


def test_an_item_that_repeats_only_a_refused_item_is_new(client: FlaskClient) -> None:
    post(client, time=at(0))
    response = post_batch(client, a_signal(time=at(200)), a_signal(time=at(400)))
    assert statuses(response) == [409, 201]


def test_when_nothing_is_stored_the_status_tells_why(client: FlaskClient) -> None:
    assert post_batch(client, *different(2)).status_code == 201
    again = post_batch(client, *different(2))
    assert (again.status_code, statuses(again)) == (409, [409, 409])
    assert again.content_type == "application/json"
    worse = post_batch(client, *different(1), a_signal(side="hold"))
    assert (worse.status_code, statuses(worse)) == (422, [409, 422])


def test_an_atomic_batch_is_stored_when_all_of_it_fits(client: FlaskClient, resources: Resources) -> None:
    assert post_batch(client, *different(3), atomic=True).status_code == 201
    assert stored(resources) == 3


@pytest.mark.parametrize(
    ("spoiler", "status"),
    [
        ({"instrument": "KNOWN"}, 409),
        ({"external_id": "e0", "instrument": "MSFT"}, 409),
        ({"instrument": "MSFT", "side": "hold"}, 422),
    ],
)
def test_an_atomic_batch_with_one_refused_item_stores_nothing(
    client: FlaskClient, resources: Resources, redis_url: str, spoiler: dict[str, str], status: int
) -> None:
    post(client, instrument="KNOWN")
    response = post_batch(client, *different(2), a_signal(**spoiler), atomic=True)
    document = response.json or {}
    assert response.status_code == status
    assert statuses(response) == [424, 424, status]
    assert document["summary"]["not_stored"] == 2
    assert document["results"][0]["problem"]["type"] == "/problems/batch-refused"
    assert (stored(resources), stored(resources, Event)) == (1, 1)
    # Nothing stays behind that would refuse them later.
    assert [post(client, **signal).status_code for signal in different(2)] == [201, 201]


def test_in_an_atomic_batch_an_inner_duplicate_names_no_signal_that_is_not_stored(client: FlaskClient) -> None:
    problem = (post_batch(client, a_signal(), a_signal(), atomic=True).json or {})["results"][1]["problem"]
    assert problem["duplicate_of_index"] == 0
    assert "existing_signal_id" not in problem


@pytest.mark.parametrize("redis", ["up", "away", "flushed"])
def test_a_repeated_batch_finds_every_signal_whatever_redis_knows(
    serve: Serve, redis_url: str, nowhere: str, resources: Resources, redis: str
) -> None:
    client = serve(redis_url=nowhere if redis == "away" else redis_url)
    first = post_batch(client, *different(20)).json or {}
    if redis == "flushed":
        with Redis.from_url(redis_url) as server:
            server.flushall()
    again = post_batch(client, *different(20)).json or {}
    existing = [result["problem"]["existing_signal_id"] for result in again["results"]]
    assert existing == [result["signal"]["id"] for result in first["results"]]
    assert stored(resources) == 20


@pytest.mark.parametrize("value", ["d:0190b1a3-0000-7000-8000-000000000000", "d:nonsense", "p:somebody", "nonsense"])
def test_no_value_in_redis_makes_a_new_item_a_duplicate(
    client: FlaskClient, redis_url: str, resources: Resources, value: str
) -> None:
    post_batch(client, *different(3))
    with Redis.from_url(redis_url) as redis:
        names = redis.keys("signal:*")
        redis.flushall()
        with resources.database.transaction() as session:
            session.execute(text("DELETE FROM signals"))
        for name in names:
            redis.set(name, value)
        assert post_batch(client, *different(3)).status_code == 201
        assert {redis.get(name)[:2] for name in names} == {b"d:"}


def test_a_known_batch_is_answered_while_nobody_can_write(client: FlaskClient, resources: Resources) -> None:
    post_batch(client, *different(5))
    hold = "DELETE FROM leases" if resources.database.is_sqlite else "LOCK TABLE signals IN SHARE MODE"
    with resources.database.transaction() as session:
        session.execute(text(hold))
        assert post_batch(client, *different(5)).status_code == 409
        refused = post_batch(client, *different(6))
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert post_batch(client, *different(6)).status_code == 207


def test_a_batch_costs_one_statement_in_postgresql_and_one_transaction_in_sqlite_however_long(
    resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = Intake.build(resources)
    # Opens the connections: a new one executes statements of its own.
    intake.accept_all([(0, a_new_signal())], now=NOON)
    statements = statements_of(resources.database, monkeypatch)
    first = [(number, a_new_signal(instrument=f"I{number}", external_id=f"e{number}")) for number in range(100)]
    assert len(intake.accept_all(first, now=NOON)) == 100
    resources.redis.flushall()
    more = [(number, a_new_signal(instrument=f"I{number}", external_id=f"e{number}")) for number in range(50, 150)]
    assert sum(isinstance(result, SignalRow) for result in intake.accept_all(more, now=NOON)) == 50
    counts = Counter(statements)
    assert counts["COMMIT"] == (2 if resources.database.is_sqlite else 0)
    assert counts["store_signals_each"] == (0 if resources.database.is_sqlite else 2)
    assert resources.database.is_sqlite or counts.total() == 2


def statements_of(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that gets each later statement: its first word, or the function that it calls."""
    statements: list[str] = []
    execute = database.execute_raw

    def note(statement: str, parameters: Any) -> Any:
        statements.append("store_signals_each" if "store_signals_each" in statement else statement)
        return execute(statement, parameters)

    monkeypatch.setattr(database, "execute_raw", note)
    event.listen(database.engine, "before_cursor_execute", lambda *args: statements.append(args[2].split()[0]))
    event.listen(database.engine, "commit", lambda _: statements.append("COMMIT"))
    return statements


def rows_read(database: Database) -> tuple[int, ...]:
    """How many rows PostgreSQL has read so far, in the table of signals and in its indexes."""
    database.execute_raw("SELECT pg_stat_force_next_flush()::text", ())
    query = """
        SELECT (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'signals'), sum(idx_tup_read)::bigint
        FROM pg_stat_user_indexes WHERE relname = 'signals'
    """
    return database.execute_raw(query, ())[0]


def test_a_batch_of_new_signals_goes_through_no_stored_ones_however_young_the_table(resources: Resources) -> None:
    if resources.database.is_sqlite:
        pytest.skip("it makes a plan of its own for each statement")
    intake = Intake.build(resources)
    before = rows_read(resources.database)
    # From the sixth execution on PostgreSQL uses a plan that was made while the table was almost empty.
    for batch in range(20):
        news = [
            (number, a_new_signal(instrument=f"{batch}-{number}", external_id=f"{batch}-{number}"))
            for number in range(20)
        ]
        assert len(intake.accept_all(news, now=NOON)) == 20
    assert rows_read(resources.database) == before


def test_a_repeated_batch_reads_its_own_signals_alone_however_young_the_table(resources: Resources) -> None:
    if resources.database.is_sqlite:
        pytest.skip("it makes a plan of its own for each statement")
    intake = Intake.build(resources)
    for batch in range(12):
        news = [
            (number, a_new_signal(instrument=f"{batch}-{number}", external_id=f"{batch}-{number}"))
            for number in range(20)
        ]
        intake.accept_all(news, now=NOON)
        if batch % 2:
            resources.redis.flushall()
        before = sum(rows_read(resources.database))
        assert not any(isinstance(result, SignalRow) for result in intake.accept_all(news, now=NOON))
        # One entry of the index of each rule: found by a read where markers are, else by the function that stores.
        assert sum(rows_read(resources.database)) - before <= 2 * len(news)


def test_batches_that_share_signals_in_any_order_store_each_once_and_never_lock_each_other_out(
    resources: Resources,
) -> None:
    intake = Intake.build(resources)
    news = [a_new_signal(instrument=f"I{number}", external_id=f"e{number}") for number in range(40)]

    def work(turn: int) -> Counter[str]:
        ordered = news[turn:] + news[:turn] if turn % 2 else news[::-1]
        results = intake.accept_all(list(enumerate(ordered)), now=NOON)
        return Counter(type(result).__name__ for result in results)

    with ThreadPoolExecutor(6) as pool:
        outcomes = sum(pool.map(work, range(12)), Counter[str]())
    assert outcomes == {"SignalRow": 40, "DuplicateSignal": 11 * 40}
    assert stored(resources) == 40


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        ([], ""),
        ({}, "/signals"),
        ({"signals": {}}, "/signals"),
        ({"signals": []}, "/signals"),
        ({"signals": [{}] * 101}, "/signals"),
        ({"signals": [{}], "atomic": 1}, "/atomic"),
        ({"signals": [{}], "atomic": "true"}, "/atomic"),
        ({"signals": [{}], "x": 1}, "/x"),
    ],
)
def test_an_envelope_that_does_not_fit_is_refused_as_a_whole(client: FlaskClient, document: Any, pointer: str) -> None:
    response = client.post(BATCH, json=document)
    assert response.status_code == 422
    assert response.content_type == "application/problem+json"
    assert pointer in {error["pointer"] for error in (response.json or {})["errors"]}


def test_json_that_is_not_strict_refuses_the_whole_batch(client: FlaskClient) -> None:
    response = client.post(BATCH, data=b'{"signals":[{"a":1,"a":2}]}', content_type="application/json")
    assert (response.status_code, (response.json or {})["type"]) == (400, "/problems/malformed-json")


@pytest.mark.parametrize(("depth", "status"), [(15, 201), (16, 400)])
def test_an_item_may_be_as_deep_as_a_signal_of_its_own(client: FlaskClient, depth: int, status: int) -> None:
    payload = '{"x":' * depth + "1" + "}" * depth
    alone, item = (f'{{"instrument":"{name}","side":"buy","price":1,"payload":{payload}}}' for name in "AB")
    assert client.post(PATH, data=alone, content_type="application/json").status_code == status
    batch = f'{{"signals":[{item}]}}'
    assert client.post(BATCH, data=batch, content_type="application/json").status_code == status


def test_each_item_is_under_the_cap_of_a_single_signal(serve: Serve) -> None:
    client = serve(signals_max_payload_bytes=400)
    response = post_batch(
        client, a_signal(payload={"x": "y" * 400}), a_signal(payload={"x": "y" * 200}), *different(10)[1:]
    )
    assert statuses(response) == [413] + [201] * 10
    assert (response.json or {})["results"][0]["problem"]["type"] == "/problems/payload-too-large"


def test_a_batch_over_its_cap_is_refused_before_it_is_parsed(client: FlaskClient) -> None:
    body = b"{" * 1_048_577
    assert client.post(BATCH, data=body, content_type="application/json").status_code == 413
    fits = json.dumps({"signals": [a_signal()]}).encode().ljust(1_048_576)
    assert client.post(BATCH, data=fits, content_type="application/json").status_code == 201


def signed(
    client: FlaskClient, body: bytes, clock: StoppedClock, message_id: str = "msg_1", **headers: str
) -> TestResponse:
    signature = signatures.sign(body, key=KEY, message_id=message_id, now=clock.now)
    given = {"X-Producer-Id": "desk-1", **signature, **headers}
    return client.post(BATCH, data=body, content_type="application/json", headers=given)


def external_ids(response: TestResponse) -> list[str | None]:
    return [result["signal"]["external_id"] for result in (response.json or {})["results"]]


def test_a_signature_covers_the_whole_batch_and_its_id_names_the_places_of_items_without_one(
    serve: Serve, clock: StoppedClock
) -> None:
    client = serve(signals_hmac_enabled=True, signals_hmac_key=KEY, api_keys=(f"desk:{KEY}",))
    items = [a_signal(), a_signal(instrument="MSFT", external_id="own"), a_signal(instrument="GOOG")]
    body = json.dumps({"signals": items}).encode()
    response = signed(client, body, clock)
    assert external_ids(response) == ["msg_1#0", "own", "msg_1#2"]
    assert all(result["signal"]["signed"] for result in (response.json or {})["results"])
    assert signed(client, body, clock, **{"webhook-id": "msg_2"}).status_code == 401
    assert signed(client, body, clock, **{"X-Producer-Id": "desk-2"}).status_code == 401
    assert signed(client, body, clock).status_code == 409


@pytest.mark.parametrize("atomic", [False, True])
@pytest.mark.parametrize("message_id", ["msg_1", "m" * 128])
@pytest.mark.parametrize("redis", [True, False])
def test_a_signed_batch_that_is_replayed_without_a_window_stores_nothing(
    serve: Serve, clock: StoppedClock, resources: Resources, nowhere: str, redis: bool, message_id: str, atomic: bool
) -> None:
    changed = {} if redis else {"redis_url": nowhere}
    client = serve(signals_hmac_key=KEY, signals_dedup_window_seconds=0, **changed)
    items = [a_signal(), a_signal(), a_signal(instrument="MSFT")]
    body = json.dumps({"signals": items, "atomic": atomic}).encode()
    assert statuses(signed(client, body, clock, message_id)) == [201, 201, 201]
    clock.advance(200)
    again = signed(client, body, clock, message_id)
    assert (again.status_code, statuses(again)) == (409, [409, 409, 409])
    problems = [result["problem"] for result in (again.json or {})["results"]]
    assert [(problem["matched_on"], problem["differs"]) for problem in problems] == [("external_id", [])] * 3
    assert stored(resources) == 3


def test_two_signed_batches_with_equal_contents_are_two_messages(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_key=KEY, signals_dedup_window_seconds=0)
    body = json.dumps({"signals": [a_signal(), a_signal()]}).encode()
    assert [signed(client, body, clock, name).status_code for name in ("msg_1", "msg_2")] == [201, 201]


def test_a_long_message_id_names_the_places_of_its_items_by_a_digest(serve: Serve, clock: StoppedClock) -> None:
    client = serve(signals_hmac_key=KEY)
    body = json.dumps({"signals": [a_signal(), a_signal(instrument="MSFT")]}).encode()
    digest = hashlib.sha256(b"m" * 121).hexdigest()
    assert external_ids(signed(client, body, clock, "m" * 121)) == [f"sha256:{digest}#0", f"sha256:{digest}#1"]


@pytest.mark.parametrize("index", [0, 9_999_999])
def test_every_item_of_a_signed_message_has_a_valid_external_id(index: int) -> None:
    names = [item_external_id("m" * length, index) for length in range(1, 129)]
    assert max(map(len, names)) <= 128
    assert len(set(names)) == len(names)
    assert all(name.endswith(f"#{index}") for name in names)


def test_items_of_an_unsigned_batch_get_no_external_id(client: FlaskClient) -> None:
    assert external_ids(post_batch(client, a_signal())) == [None]


def test_with_the_window_off_items_are_compared_by_external_id_alone(serve: Serve) -> None:
    client = serve(signals_dedup_window_seconds=0)
    signals = [a_signal(), a_signal(), a_signal(external_id="e"), a_signal(external_id="e")]
    assert statuses(post_batch(client, *signals)) == [201, 201, 201, 409]
    assert statuses(post_batch(client, *signals)) == [201, 201, 409, 409]


def test_items_and_refusals_are_counted(serve: Serve) -> None:
    client = serve(metrics_instruments=("AAPL",))

    def value(series: str) -> float:
        lines = client.get("/metrics").text.splitlines()
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series + " ")), 0.0)

    series = [
        'signals_ingested_total{instrument="AAPL",side="buy"}',
        'signals_rejected_total{reason="validation-failed"}',
        'signals_rejected_total{reason="duplicate-signal"}',
        'signals_dedup_total{outcome="new",path="database"}',
        'signals_dedup_total{outcome="duplicate",path="database"}',
        'signals_dedup_total{outcome="duplicate",path="redis"}',
    ]
    before = [value(name) for name in series]
    post_batch(client, a_signal(), a_signal(), a_signal(side="hold"))
    post_batch(client, a_signal())
    post_batch(client)
    assert [value(name) - old for name, old in zip(series, before, strict=True)] == [1, 2, 2, 1, 1, 1]


ITEMS = st.builds(
    lambda instrument, seconds, external_id: a_signal(instrument=instrument, time=at(seconds), external_id=external_id),
    st.sampled_from(["A", "B"]),
    st.sampled_from([0, 100, 299, 300, 301, 599, 600, 900]),
    st.none() | st.sampled_from(["x", "y", "z"]),
)


@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(st.lists(ITEMS, max_size=4), st.lists(ITEMS, min_size=1, max_size=8))
def test_a_batch_ends_as_its_items_would_posted_one_after_another(
    client: FlaskClient, before: list[dict[str, Any]], signals: list[dict[str, Any]]
) -> None:
    alone, together = (f"p{time.perf_counter_ns()}-{way}" for way in ("alone", "together"))
    for producer in (alone, together):
        for signal in before:
            post(client, producer=producer, **signal)
    expected = [post(client, producer=alone, **signal).status_code for signal in signals]
    assert statuses(post_batch(client, *signals, producer=together)) == expected


def test_a_batch_takes_a_fraction_of_the_time_of_as_many_posts(client: FlaskClient) -> None:
    began = time.perf_counter()
    for number in range(50):
        assert post(client, instrument=f"S{number}").status_code == 201
    singles = time.perf_counter() - began
    began = time.perf_counter()
    for turn in range(2):
        assert (
            post_batch(client, *(a_signal(instrument=f"B{turn}-{number}") for number in range(100))).status_code == 201
        )
    # Four times as many in less than the time; how many times faster it really is, the benchmark tells.
    assert time.perf_counter() - began < singles
