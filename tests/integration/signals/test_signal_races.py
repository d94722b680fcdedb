"""Many clients post to a real web server at the same time."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from config import Settings
from tests.integration.signals.builders import PATH, a_signal
from tests.processes import web

THREADS = 50
Response = tuple[int, dict[str, Any]]


def post(address: str, signal: dict[str, Any]) -> Response:
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{address}{PATH}", json.dumps(signal).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return response.status, json.load(response)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def at_the_same_time(many: int, work: Callable[[int], Response]) -> list[Response]:
    responses: list[Response] = []
    barrier = threading.Barrier(many)

    def run(number: int) -> None:
        barrier.wait()
        responses.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return responses


@pytest.mark.parametrize("redis", ["up", "away"])
def test_of_fifty_posts_of_one_signal_at_once_one_is_accepted_and_named_by_all_others(
    settings: Settings, tmp_path: Path, nowhere: str, redis: str
) -> None:
    if redis == "away":
        settings = replace(settings, redis_url=nowhere)
    with web(replace(settings, database_timeout_seconds=20.0), tmp_path) as address:
        for signal in (a_signal(external_id="e1"), a_signal(instrument="MSFT")):
            responses = at_the_same_time(THREADS, lambda _, signal=signal: post(address, signal))  # type: ignore[misc]
            assert Counter(status for status, _ in responses) == {201: 1, 409: THREADS - 1}
            (accepted,) = [document for status, document in responses if status == 201]
            assert {document["existing_signal_id"] for status, document in responses if status == 409} == {
                accepted["id"]
            }


def test_different_signals_at_once_are_all_accepted(settings: Settings, tmp_path: Path) -> None:
    with web(replace(settings, database_timeout_seconds=20.0), tmp_path) as address:
        responses = at_the_same_time(
            THREADS, lambda number: post(address, a_signal(external_id=f"e{number}", instrument=f"I{number}"))
        )
    assert Counter(status for status, _ in responses) == {201: THREADS}
