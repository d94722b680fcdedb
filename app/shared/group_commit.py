"""Lets threads that want the same done at the same time have it done together, by one of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Task = TypeVar("Task")
Result = TypeVar("Result")


class GroupCommit(Generic[Task, Result]):
    """One thread at a time works: for itself and for those who came while the one before it did.

    Nobody waits for company: whoever comes first begins at once, alone. Under load a task costs its share of a trip
    to a server instead of a trip, and one wait instead of one for each answer. Known as flat combining (Hendler and
    others, 2010), and in databases as group commit.
    """

    def __init__(self, work: Callable[[Sequence[Task]], Sequence[Result]], most: int) -> None:
        """`work` gives a result for each of at most so many tasks, in their order.

        What it raises is raised to all whose tasks these were, and to all who wait by then: what did not work for the
        one before would keep them waiting once more, for the same.
        """
        self._work = work
        self._most = most
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[_Entry[Task, Result]] = []

    def run(self, task: Task) -> Result:
        """The result for this task. Raises what the work raises."""
        mine: _Entry[Task, Result] = _Entry(task)
        with self._lock:
            self._waiting.append(mine)
            first, self._busy = not self._busy, True
        if not first:
            mine.woken.acquire()
        if not mine.over:
            self._lead()
        if mine.error is not None:
            raise mine.error
        return cast("Result", mine.result)

    def _lead(self) -> None:
        """Work for the longest waiting, of whom the calling thread is the first."""
        with self._lock:
            group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        try:
            results = self._work([entry.task for entry in group])
            for entry, result in zip(group, results, strict=True):
                entry.result = result
        except BaseException as error:  # noqa: BLE001 - raised again by every thread it concerns
            with self._lock:
                group, self._waiting = group + self._waiting, []
            for entry in group:
                entry.error = error
        self._hand_on()
        for entry in group:
            entry.end()

    def _hand_on(self) -> None:
        with self._lock:
            self._busy = bool(self._waiting)
            if self._waiting:
                self._waiting[0].woken.release()


class _Entry(Generic[Task, Result]):
    """A task and what came of it. Its thread sleeps until it is woken: because it is over, or to lead."""

    __slots__ = ("error", "over", "result", "task", "woken")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.over = False
        self.woken = threading.Lock()
        self.woken.acquire()

    def end(self) -> None:
        self.over = True
        self.woken.release()
