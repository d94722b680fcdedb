"""What a process remembers of refusals, and what it must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.shared.db import uuid7
from app.signals.dedup import duplicate_cache
from app.signals.dedup.duplicate_cache import DuplicateCache, ExistingSignal
from app.signals.domain import DedupRule, DuplicateSignal, MatchedOn, NewSignal

RULE = DedupRule(300)
STORED = NewSignal("desk", "AAPL", "buy", Decimal(1), datetime(2026, 3, 2, 12, tzinfo=UTC), external_id="e1")
LIVE = replace(STORED, external_id=None)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> DuplicateCache:
    return DuplicateCache(monotonic=clock)


def remember(cache: DuplicateCache, new: NewSignal, matched_on: MatchedOn) -> ExistingSignal:
    existing = ExistingSignal(uuid7(), STORED, matched_on)
    cache.remember(new, RULE.identify(new), existing)
    return existing


def find(cache: DuplicateCache, new: NewSignal) -> DuplicateSignal | None:
    existing = cache.find(new, RULE.identify(new))
    return None if existing is None else existing.refusal(new)


def test_a_repetition_is_refused_as_it_was_with_its_own_differences(cache: DuplicateCache) -> None:
    first = remember(cache, STORED, MatchedOn.EXTERNAL_ID)
    again = find(cache, replace(STORED, price=Decimal(2), time=STORED.time + timedelta(days=1)))
    assert again is not None
    assert (again.existing_id, again.matched_on) == (first.id, MatchedOn.EXTERNAL_ID)
    assert again.differs == ["price", "time"]


def test_one_without_an_external_id_is_found_by_its_window_and_its_very_time(cache: DuplicateCache) -> None:
    first = remember(cache, LIVE, MatchedOn.WINDOW)
    again = find(cache, LIVE)
    assert again is not None
    assert (again.existing_id, again.matched_on) == (first.id, MatchedOn.WINDOW)
    assert find(cache, replace(LIVE, time=LIVE.time + timedelta(microseconds=1))) is None


@pytest.mark.parametrize("change", [{"external_id": "e2"}, {"producer_id": "other"}, {"external_id": None}])
def test_another_external_id_or_producer_is_another_signal(
    cache: DuplicateCache, change: dict[str, str | None]
) -> None:
    remember(cache, STORED, MatchedOn.EXTERNAL_ID)
    assert find(cache, replace(STORED, **change)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"version": "2"}, {"instrument": "MSFT"}, {"producer_id": "other"}])
def test_another_window_is_another_signal(cache: DuplicateCache, change: dict[str, str]) -> None:
    remember(cache, LIVE, MatchedOn.WINDOW)
    assert find(cache, replace(LIVE, **change)) is None  # type: ignore[arg-type]


def test_one_with_an_external_id_that_was_refused_by_its_time_is_decided_anew(cache: DuplicateCache) -> None:
    remember(cache, replace(STORED, external_id="e2"), MatchedOn.WINDOW)
    assert find(cache, replace(STORED, external_id="e2")) is None
    assert find(cache, LIVE) is None


def test_after_some_seconds_the_database_decides_again(cache: DuplicateCache, clock: Clock) -> None:
    remember(cache, STORED, MatchedOn.EXTERNAL_ID)
    clock.now = duplicate_cache.MAX_SECONDS - 0.001
    assert find(cache, STORED) is not None
    clock.now = duplicate_cache.MAX_SECONDS
    assert find(cache, STORED) is None


def test_only_so_many_are_remembered(cache: DuplicateCache) -> None:
    for number in range(duplicate_cache.MAX_ENTRIES + 1):
        remember(cache, replace(STORED, external_id=f"e{number}"), MatchedOn.EXTERNAL_ID)
    known = [
        find(cache, replace(STORED, external_id=f"e{number}")) for number in range(duplicate_cache.MAX_ENTRIES + 1)
    ]
    assert known[0] is None
    assert sum(one is not None for one in known) == duplicate_cache.MAX_ENTRIES
