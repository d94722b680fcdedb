"""The payload rules of a process: loaded by one thread at a time, once in their time to live."""

from __future__ import annotations

import threading

import pytest

from app.payloads.domain import PayloadJsonSchema, Rules
from app.payloads.registry import Registry
from app.shared.errors import ValidationFailed

WITH_A = Rules({("desk", "1"): PayloadJsonSchema.read(b'{"required": ["a"]}')})


class Source:
    def __init__(self, rules: Rules = WITH_A) -> None:
        self.rules = rules
        self.calls: list[Rules] = []
        self.now = 0.0

    def load(self, previous: Rules) -> Rules:
        self.calls.append(previous)
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
def test_rules_are_loaded_once_in_their_time_to_live_even_when_there_are_none(rules):
    source = Source(rules)
    registry = source.registry()
    for source.now in (0.0, 1.0, 4.9):
        registry.errors("other", "1", {})
    assert len(source.calls) == 1


def test_after_their_time_to_live_they_are_loaded_again_with_the_previous_ones():
    source = Source()
    registry = source.registry()
    assert registry.errors("desk", "1", {})
    source.now, source.rules = 5.0, Rules()
    assert registry.errors("desk", "1", {}) == []
    assert source.calls == [Rules(), WITH_A]


def test_a_database_error_is_raised_and_the_next_call_loads_again():
    source = Source()
    failures = iter([OSError("away")])

    def load(previous: Rules) -> Rules:
        for failure in failures:
            raise failure
        return source.load(previous)

    registry = Registry(load, ttl_seconds=5)
    with pytest.raises(OSError, match="away"):
        registry.check("desk", "1", {"a": 1})
    registry.check("desk", "1", {"a": 1})


def test_while_one_thread_loads_the_others_use_the_previous_rules():
    reading, go_on = threading.Event(), threading.Event()
    results = iter([WITH_A, Rules()])

    def load(_previous: Rules) -> Rules:
        if reading.is_set():
            pytest.fail("two threads load")
        rules = next(results)
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
