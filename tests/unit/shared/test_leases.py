"""Leases: each has one holder at a time, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.resources import Resources
from app.shared import leases

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def take(resources: Resources, name: str = "sweep", now: Any = NOW, seconds: float = 10.0) -> bool:
    with resources.database.transaction() as session:
        return leases.take(session, name, now, seconds)


def test_a_lease_that_somebody_holds_is_not_given_again(resources: Resources) -> None:
    assert take(resources)
    assert not take(resources)


def test_a_lease_ends_at_its_time(resources: Resources) -> None:
    assert take(resources)
    assert not take(resources, now=NOW + timedelta(seconds=9.999))
    assert take(resources, now=NOW + timedelta(seconds=10))


def test_leases_with_different_names_are_independent(resources: Resources) -> None:
    assert take(resources)
    assert take(resources, name="cleanup")


def test_of_many_threads_at_once_one_gets_the_lease(resources: Resources) -> None:
    def try_once(_: int) -> bool:
        try:
            return take(resources)
        except IntegrityError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_once, range(8))) == 1
