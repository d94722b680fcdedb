"""The rules in a process: read seldom, by one thread, and never older than they may be."""

from __future__ import annotations

import threading

import pytest

from app.payloads.domain import PayloadSchema, Rules
from app.payloads.registry import Registry
from app.shared.errors import ValidationFailed

WITH_A = Rules({("desk", "1"): PayloadSchema.read(b'{"required": ["a"]}')})


class Source:
    def __init__(self, rules: Rules = WITH_A) -> None:
        self.rules = rules
        self.asked: list[Rules] = []
        self.now = 0.0

    def load(self, known: Rules) -> Rules:
        self.asked.append(known)
        return self.rules

    def registry(self, ttl_seconds: float = 5.0) -> Registry:
        return Registry(self.load, ttl_seconds=ttl_seconds, monotonic=lambda: self.now)


def test_a_payload_that_does_not_match_its_schema_refuses_the_signal():
    registry = Source().registry()
    registry.check("desk", "1", {"a": 1})
    with pytest.raises(ValidationFailed) as refused:
        registry.check("desk", "1", {})
    assert [error.pointer for error in refused.value.errors] == ["/payload/a"]


@pytest.mark.parametrize("rules", [WITH_A, Rules()])
def test_rules_are_read_once_in_their_time_even_when_there_are_none(rules):
    source = Source(rules)
    registry = source.registry()
    for source.now in (0.0, 1.0, 4.9):
        registry.errors("other", "1", {})
    assert len(source.asked) == 1


def test_after_their_time_they_are_read_again_from_what_is_known():
    source = Source()
    registry = source.registry()
    assert registry.errors("desk", "1", {})
    source.now, source.rules = 5.0, Rules()
    assert registry.errors("desk", "1", {}) == []
    assert source.asked == [Rules(), WITH_A]


def test_a_database_that_is_away_is_told_and_asked_again():
    source = Source()
    failures = iter([OSError("away")])

    def load(known: Rules) -> Rules:
        for failure in failures:
            raise failure
        return source.load(known)

    registry = Registry(load, ttl_seconds=5)
    with pytest.raises(OSError, match="away"):
        registry.check("desk", "1", {"a": 1})
    registry.check("desk", "1", {"a": 1})


def test_while_one_thread_reads_the_others_go_on_with_what_they_have():
    reading, go_on = threading.Event(), threading.Event()
    answers = iter([WITH_A, Rules()])

    def load(_known: Rules) -> Rules:
        if reading.is_set():
            pytest.fail("two threads read")
        rules = next(answers)
        if rules is not WITH_A:
            reading.set()
            assert go_on.wait(10)
        return rules

    now = [0.0]
    registry = Registry(load, ttl_seconds=5, monotonic=lambda: now[0])
    registry.errors("desk", "1", {})
    now[0] = 6.0
    reader = threading.Thread(target=registry.errors, args=("desk", "1", {}))
    reader.start()
    assert reading.wait(10)
    assert registry.errors("desk", "1", {})
    go_on.set()
    reader.join(10)
    assert registry.errors("desk", "1", {}) == []
