"""Group commit: one thread does the tasks of several threads in one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from app.shared.group_commit import GroupCommit


class Work:
    """Squares numbers. A test can block it in the middle of a call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.threads: list[int] = []
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.error: Exception | None = None

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        self.threads.append(threading.get_ident())
        self.begun.release()
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error
        return [number**2 for number in numbers]


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(32) as threads:
        yield threads


def queue_up(
    pool: ThreadPoolExecutor, group_commit: GroupCommit[int, int], numbers: Sequence[int]
) -> list[Future[int]]:
    """Submit the numbers so that they wait in this order."""
    futures = []
    for number in numbers:
        before = len(group_commit._waiting)
        futures.append(pool.submit(group_commit.run, number))
        while len(group_commit._waiting) == before:
            time.sleep(0.001)
    return futures


def test_a_single_task_runs_at_once_in_its_own_thread(work: Work) -> None:
    work.go_on.set()
    assert [GroupCommit(work, 8).run(3), GroupCommit(work, 8).run(4)] == [9, 16]
    assert work.calls == [[3], [4]]
    assert set(work.threads) == {threading.get_ident()}


def test_tasks_that_arrive_during_a_call_are_done_together_and_each_gets_its_own_result(
    work: Work, pool: ThreadPoolExecutor
) -> None:
    group_commit = GroupCommit(work, 8)
    first = pool.submit(group_commit.run, 1)
    assert work.begun.acquire(timeout=10)
    others = queue_up(pool, group_commit, [2, 3, 4])
    work.go_on.set()
    assert [future.result(10) for future in (first, *others)] == [1, 4, 9, 16]
    assert work.calls == [[1], [2, 3, 4]]


def test_more_tasks_than_the_limit_are_done_in_several_calls(work: Work, pool: ThreadPoolExecutor) -> None:
    group_commit = GroupCommit(work, 2)
    first = pool.submit(group_commit.run, 1)
    assert work.begun.acquire(timeout=10)
    others = queue_up(pool, group_commit, [2, 3, 4, 5, 6])
    work.go_on.set()
    assert [future.result(10) for future in (first, *others)] == [1, 4, 9, 16, 25, 36]
    assert work.calls == [[1], [2, 3], [4, 5], [6]]


def test_an_error_is_raised_to_all_waiting_threads_and_to_no_later_one(work: Work, pool: ThreadPoolExecutor) -> None:
    group_commit = GroupCommit(work, 2)
    work.error = ZeroDivisionError("away")
    first = pool.submit(group_commit.run, 1)
    assert work.begun.acquire(timeout=10)
    others = queue_up(pool, group_commit, [2, 3, 4])
    work.go_on.set()
    for future in (first, *others):
        with pytest.raises(ZeroDivisionError, match="away"):
            future.result(10)
    assert work.calls == [[1]]
    work.error = None
    assert group_commit.run(5) == 25


def test_a_missing_result_is_an_error_for_all_tasks(pool: ThreadPoolExecutor) -> None:
    group_commit: GroupCommit[int, int] = GroupCommit(lambda numbers: numbers[1:], 8)
    with pytest.raises(ValueError, match="shorter"):
        group_commit.run(1)


def test_many_threads_for_a_while_lose_and_mix_up_nothing(work: Work) -> None:
    work.go_on.set()
    group_commit = GroupCommit(work, 5)
    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(group_commit.run, range(5_000))) == [number**2 for number in range(5_000)]
    assert sorted(number for call in work.calls for number in call) == list(range(5_000))
    assert max(map(len, work.calls)) <= 5
