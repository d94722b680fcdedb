"""The outbox: events are appended with the fact, claimed once, and retried a few times."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.events import service
from app.shared.db import Database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, timeout_seconds=10)
    yield opened
    opened.dispose()


def append(database: Database, *subjects: str) -> None:
    with database.transaction() as session:
        for subject in subjects:
            service.append_all(session, service.SIGNAL_RECEIVED, [service.Occurrence(subject, NOW, "r")])


def claim(database: Database, limit: int = 10) -> list[str]:
    with database.transaction() as session:
        return [event.subject for event in service.claim(session, now=NOW, limit=limit)]


def test_events_are_claimed_once_in_the_order_of_their_occurrence(database):
    append(database, "a", "b", "c")
    assert claim(database, limit=2) == ["a", "b"]
    assert claim(database) == ["c"]
    assert claim(database) == []


def test_an_event_of_a_failed_transaction_does_not_exist(database):
    with pytest.raises(RuntimeError), database.transaction() as session:
        service.append_all(session, service.SIGNAL_RECEIVED, [service.Occurrence("a", NOW, "")])
        raise RuntimeError
    assert claim(database) == []


def test_a_failed_claim_leaves_its_events_to_the_next(database):
    append(database, "a")
    with pytest.raises(RuntimeError), database.transaction() as session:
        assert service.claim(session, now=NOW, limit=1)
        raise RuntimeError
    assert claim(database) == ["a"]


def test_concurrent_claims_share_the_events(database):
    append(database, *"abcdefgh")
    barrier = threading.Barrier(2, timeout=5)
    claimed: list[str] = []

    def dispatcher() -> None:
        barrier.wait()
        claimed.extend(claim(database, limit=8))

    threads = [threading.Thread(target=dispatcher) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == [*"abcdefgh"]


def test_an_event_is_retried_until_its_attempts_are_used_up(database):
    append(database, "a")
    for again in (True, True, False):
        with database.transaction() as session:
            (event,) = service.claim(session, now=NOW, limit=1)
            assert service.record_failure(event, "no luck", max_attempts=3) is again
    assert claim(database) == []
    with database.reading() as session:
        assert service.backlog(session) == (0, None)


def test_a_claim_after_an_event_leaves_earlier_ones_alone(database):
    append(database, "a", "b")
    with database.transaction() as session:
        (first,) = service.claim(session, now=NOW, limit=1)
        service.record_failure(first, "no luck", max_attempts=9)
        session.flush()
        assert [event.subject for event in service.claim(session, now=NOW, limit=9, after=first.id)] == ["b"]


def test_the_backlog_counts_undispatched_events(database):
    append(database, "a", "b")
    claim(database, limit=1)
    with database.reading() as session:
        assert service.backlog(session) == (1, NOW)


def test_only_old_dispatched_events_are_deleted(database):
    append(database, "a", "b", "c")
    claim(database, limit=2)
    with database.transaction() as session:
        assert service.delete_dispatched(session, before=NOW, limit=10) == 0
    with database.transaction() as session:
        assert service.delete_dispatched(session, before=NOW + timedelta(seconds=1), limit=1) == 1
    with database.transaction() as session:
        assert service.delete_dispatched(session, before=NOW + timedelta(seconds=1), limit=10) == 1
    assert claim(database) == ["c"]
