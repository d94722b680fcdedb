"""The FIFO lock: the thread that waits longest is next."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from app.shared.fifo_lock import FifoLock

SECONDS = 10.0


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


class Runner:
    """Threads that hold the lock once each and record the order."""

    def __init__(self, lock: FifoLock) -> None:
        self.lock = lock
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def start(self, name: str, seconds: float = SECONDS) -> None:
        def run() -> None:
            try:
                with self.lock.hold(seconds):
                    self.order.append(name)
            except TimeoutError:
                self.order.append(f"{name} gave up")

        thread = threading.Thread(target=run)
        self._threads.append(thread)
        thread.start()

    def join(self) -> list[str]:
        for thread in self._threads:
            thread.join(SECONDS)
        return self.order


@pytest.fixture
def lock() -> FifoLock:
    return FifoLock()


def test_threads_get_the_lock_in_the_order_in_which_they_asked(lock: FifoLock) -> None:
    runner = Runner(lock)
    with lock.hold(SECONDS):
        for number in range(5):
            runner.start(str(number))
            wait_until(lambda number=number: len(lock._waiters) == number + 1)  # type: ignore[misc]
    assert runner.join() == ["0", "1", "2", "3", "4"]


def test_the_thread_that_releases_the_lock_gets_it_after_those_that_wait(lock: FifoLock) -> None:
    runner = Runner(lock)
    with lock.hold(SECONDS):
        runner.start("waiter")
        wait_until(lambda: len(lock._waiters) == 1)
    with lock.hold(SECONDS):
        runner.order.append("again")
    assert runner.join() == ["waiter", "again"]


def test_a_thread_that_gave_up_is_passed_over(lock: FifoLock) -> None:
    runner = Runner(lock)
    with lock.hold(SECONDS):
        runner.start("first", seconds=0.01)
        wait_until(lambda: runner.order == ["first gave up"])
        runner.start("second")
        wait_until(lambda: len(lock._waiters) == 1)
    assert runner.join() == ["first gave up", "second"]
    with lock.hold(0):
        pass


def test_the_lock_is_free_after_an_error_in_the_block(lock: FifoLock) -> None:
    with pytest.raises(ValueError, match="mine"), lock.hold(SECONDS):
        raise ValueError("mine")
    with lock.hold(0):
        pass


def test_a_thread_does_not_wait_where_it_has_no_time(lock: FifoLock) -> None:
    with lock.hold(SECONDS), pytest.raises(TimeoutError, match="other threads"), lock.hold(0):
        pass
    with lock.hold(0):
        pass


def test_two_threads_never_hold_the_lock_at_once(lock: FifoLock) -> None:
    inside, overlaps = [], []

    def run() -> None:
        for _ in range(200):
            with lock.hold(SECONDS):
                inside.append(1)
                overlaps.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(overlaps), set(overlaps)) == (1_600, {1})


def test_a_lock_that_is_given_up_and_taken_by_many_stays_usable(lock: FifoLock) -> None:
    outcomes = []

    def run(number: int) -> None:
        for _ in range(100):
            try:
                with lock.hold(0.0005 * (number % 3)):
                    outcomes.append("held")
                    time.sleep(0.0002)
            except TimeoutError:
                outcomes.append("gave up")

    threads = [threading.Thread(target=run, args=(number,)) for number in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"held", "gave up"} == set(outcomes)
    with lock.hold(0):
        pass


def test_the_time_out_counts_while_other_threads_come_and_go(lock: FifoLock) -> None:
    began = time.monotonic()
    with lock.hold(SECONDS), pytest.raises(TimeoutError), lock.hold(0.05):
        pass
    assert time.monotonic() - began >= 0.05
