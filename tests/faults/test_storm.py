"""The same signal over many connections at the same time: one large storm, and many short races."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.resources import Resources
from app.signals.models import Signal
from config import Settings
from tests import processes
from tests.faults.conftest import Results
from tests.faults.ledger import PATH, Connection, body_of
from tests.faults.promises import Outcome

pytestmark = pytest.mark.faults

CONNECTIONS = 128
RACERS = 24
RACES = 60

Response = tuple[int, str]


@pytest.fixture(params=["up", "away"])
def redis(request: pytest.FixtureRequest) -> str:
    state: str = request.param
    return state


@pytest.fixture
def settings(settings: Settings, redis: str) -> Settings:
    nowhere = f"redis://127.0.0.1:{processes.free_port()}/0"
    return replace(settings, redis_url=nowhere) if redis == "away" else settings


def a_body(instrument: str) -> bytes:
    """A signal without an external_id: the window rule alone makes it a duplicate, without help of a unique index."""
    return json.dumps({"instrument": instrument, "side": "sell", "price": "1.25"}).encode()


def post(connection: Connection, body: bytes) -> Response:
    status, document = connection.post(PATH, body)
    return status, str(document.get("id") or document.get("existing_signal_id") or "")


def in_threads(count: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def check_one_accepted(responses: list[Response]) -> Counter[int]:
    statuses = Counter(status for status, _ in responses)
    assert statuses[201] == 1, statuses
    assert set(statuses) <= {201, 409, 429, 503}, statuses
    (accepted,) = [signal_id for status, signal_id in responses if status == 201]
    assert {signal_id for status, signal_id in responses if status == 409} <= {accepted}
    return statuses


@pytest.mark.parametrize("posts", [10_000])
def test_of_a_storm_of_one_signal_exactly_one_is_accepted(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path, redis: str, posts: int
) -> None:
    responses: list[Response] = []
    barrier = threading.Barrier(CONNECTIONS)
    share, rest = divmod(posts, CONNECTIONS)
    with processes.web(settings, tmp_path) as address:

        def work(number: int) -> None:
            connection = Connection(address, timeout_seconds=60)
            # The server opens its own connections before the storm.
            assert connection.post(PATH, body_of(f"before-{number}"))[0] == 201
            barrier.wait()
            responses.extend(post(connection, a_body("STORM")) for _ in range(share + (number < rest)))
            connection.close()

        began = time.monotonic()
        in_threads(CONNECTIONS, work)
        seconds = time.monotonic() - began
    assert len(responses) == posts
    statuses = check_one_accepted(responses)
    with resources.database.reading() as session:
        assert session.scalar(select(func.count()).where(Signal.instrument == "STORM")) == 1
    counts = ", ".join(f"{number} times {status}" for status, number in sorted(statuses.items()))
    outcome = Outcome(1, 0, 0, statuses, 0)
    results.add(
        f"storm of one signal, Redis {redis}",
        f"{posts} posts, {CONNECTIONS} connections",
        outcome,
        0,
        f"{counts}, {posts / seconds:.0f} a second",
    )


@pytest.mark.faults_quick
def test_in_many_races_each_signal_is_accepted_once(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path, redis: str
) -> None:
    races: list[list[Response]] = [[] for _ in range(RACES)]
    barrier = threading.Barrier(RACERS)
    with processes.web(settings, tmp_path) as address:

        def work(_: int) -> None:
            connection = Connection(address, timeout_seconds=60)
            for number, responses in enumerate(races):
                barrier.wait()
                responses.append(post(connection, a_body(f"RACE-{number}")))
            connection.close()

        in_threads(RACERS, work)
    for responses in races:
        assert len(responses) == RACERS
        check_one_accepted(responses)
    with resources.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Signal)) == RACES
    outcome = Outcome(RACES, 0, 0, Counter(), 0)
    results.add(f"races for one signal, Redis {redis}", f"{RACES} times {RACERS} posts at the same time", outcome, 0)
