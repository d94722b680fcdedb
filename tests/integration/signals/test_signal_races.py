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
Answer = tuple[int, dict[str, Any]]


def post(address: str, told: dict[str, Any]) -> Answer:
    request = urllib.request.Request(  # noqa: S310 - our own server on loopback
        f"{address}{PATH}", json.dumps(told).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def execute_raw(many: int, work: Callable[[int], Answer]) -> list[Answer]:
    answers: list[Answer] = []
    barrier = threading.Barrier(many)

    def run(number: int) -> None:
        barrier.wait()
        answers.append(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@pytest.mark.parametrize("redis", ["up", "away"])
def test_of_fifty_posts_of_one_signal_at_once_one_is_accepted_and_named_by_all_others(
    settings: Settings, tmp_path: Path, nowhere: str, redis: str
) -> None:
    if redis == "away":
        settings = replace(settings, redis_url=nowhere)
    with web(replace(settings, database_timeout_seconds=20.0), tmp_path) as address:
        for told in (a_signal(external_id="e1"), a_signal(instrument="MSFT")):
            answers = execute_raw(THREADS, lambda _, told=told: post(address, told))  # type: ignore[misc]
            assert Counter(status for status, _ in answers) == {201: 1, 409: THREADS - 1}
            (accepted,) = [told for status, told in answers if status == 201]
            assert {told["existing_signal_id"] for status, told in answers if status == 409} == {accepted["id"]}


def test_different_signals_at_once_are_all_accepted(settings: Settings, tmp_path: Path) -> None:
    with web(replace(settings, database_timeout_seconds=20.0), tmp_path) as address:
        answers = execute_raw(
            THREADS, lambda number: post(address, a_signal(external_id=f"e{number}", instrument=f"I{number}"))
        )
    assert Counter(status for status, _ in answers) == {201: THREADS}
