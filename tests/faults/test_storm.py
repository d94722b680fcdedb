"""The same signal from everywhere at once: one great storm, and many short races."""

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
from tests.faults.promises import Verdict

pytestmark = pytest.mark.faults

CONNECTIONS = 128
RACERS = 24
RACES = 60

Answer = tuple[int, str]


@pytest.fixture(params=["up", "away"])
def redis(request: pytest.FixtureRequest) -> str:
    way: str = request.param
    return way


@pytest.fixture
def settings(settings: Settings, redis: str) -> Settings:
    nowhere = f"redis://127.0.0.1:{processes.free_port()}/0"
    return replace(settings, redis_url=nowhere) if redis == "away" else settings


def a_body(instrument: str) -> bytes:
    """Without an external_id: only the rule of the window makes these one, and no unique key of a table helps."""
    return json.dumps({"instrument": instrument, "side": "sell", "price": "1.25"}).encode()


def post(connection: Connection, body: bytes) -> Answer:
    status, document = connection.post(PATH, body)
    return status, str(document.get("id") or document.get("existing_signal_id") or "")


def at_once(many: int, work: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def one_was_accepted(answers: list[Answer]) -> Counter[int]:
    statuses = Counter(status for status, _ in answers)
    assert statuses[201] == 1, statuses
    assert set(statuses) <= {201, 409, 429, 503}, statuses
    (accepted,) = [named for status, named in answers if status == 201]
    assert {named for status, named in answers if status == 409} <= {accepted}
    return statuses


@pytest.mark.parametrize("posts", [10_000])
def test_of_a_storm_of_one_signal_exactly_one_is_accepted(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path, redis: str, posts: int
) -> None:
    answers: list[Answer] = []
    barrier = threading.Barrier(CONNECTIONS)
    share, rest = divmod(posts, CONNECTIONS)
    with processes.web(settings, tmp_path) as address:

        def work(number: int) -> None:
            connection = Connection(address, timeout_seconds=60)
            # The server's own connections stand before the storm.
            assert connection.post(PATH, body_of(f"before-{number}"))[0] == 201
            barrier.wait()
            answers.extend(post(connection, a_body("STORM")) for _ in range(share + (number < rest)))
            connection.close()

        began = time.monotonic()
        at_once(CONNECTIONS, work)
        seconds = time.monotonic() - began
    assert len(answers) == posts
    statuses = one_was_accepted(answers)
    with resources.database.reading() as session:
        assert session.scalar(select(func.count()).where(Signal.instrument == "STORM")) == 1
    told = ", ".join(f"{many} times {status}" for status, many in sorted(statuses.items()))
    verdict = Verdict(1, 0, 0, statuses, 0)
    results.add(
        f"storm of one signal, Redis {redis}",
        f"{posts} posts, {CONNECTIONS} connections",
        verdict,
        0,
        f"{told}, {posts / seconds:.0f} a second",
    )


@pytest.mark.faults_quick
def test_of_signals_raced_for_again_and_again_each_is_accepted_once(
    settings: Settings, resources: Resources, results: Results, tmp_path: Path, redis: str
) -> None:
    races: list[list[Answer]] = [[] for _ in range(RACES)]
    barrier = threading.Barrier(RACERS)
    with processes.web(settings, tmp_path) as address:

        def work(_: int) -> None:
            connection = Connection(address, timeout_seconds=60)
            for number, answers in enumerate(races):
                barrier.wait()
                answers.append(post(connection, a_body(f"RACE-{number}")))
            connection.close()

        at_once(RACERS, work)
    for answers in races:
        assert len(answers) == RACERS
        one_was_accepted(answers)
    with resources.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Signal)) == RACES
    verdict = Verdict(RACES, 0, 0, Counter(), 0)
    results.add(f"races for one signal, Redis {redis}", f"{RACES} times {RACERS} posts at once", verdict, 0)
