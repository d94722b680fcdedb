"""Group commit: tasks that threads bring at the same time are worked on together, by one of the threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar, cast

Task = TypeVar("Task")
Result = TypeVar("Result")


class GroupCommit(Generic[Task, Result]):
    """One thread at a time works on a group: its own task and those that other threads brought during the last group.

    A task that finds no work under way starts at once, alone. Under load a group shares one round trip to a server.
    Known in databases as group commit, and as flat combining (Hendler and others, 2010).
    """

    def __init__(self, work: Callable[[Sequence[Task]], Sequence[Result]], limit: int) -> None:
        """`work` returns a result for each of up to `limit` tasks, in their order.

        An error of `work` is raised to the threads of its tasks and to all that wait by then: the next group would
        most likely fail in the same way, after the same wait.
        """
        self._work = work
        self._limit = limit
        self._lock = threading.Lock()
        self._busy = False
        self._waiting: list[_Entry[Task, Result]] = []

    def run(self, task: Task) -> Result:
        """Work on the task, alone or in a group, and return its result. Raises what the work raises."""
        entry: _Entry[Task, Result] = _Entry(task)
        with self._lock:
            self._waiting.append(entry)
            first, self._busy = not self._busy, True
        if not first:
            entry.woken.acquire()
        if not entry.is_done:
            self._lead()
        if entry.error is not None:
            raise entry.error
        return cast("Result", entry.result)

    def _lead(self) -> None:
        """Work on the tasks that wait longest; the first of them is the calling thread's."""
        with self._lock:
            group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
        try:
            results = self._work([entry.task for entry in group])
            for entry, result in zip(group, results, strict=True):
                entry.result = result
        except BaseException as error:  # noqa: BLE001 - raised again by every thread it concerns
            with self._lock:
                group, self._waiting = group + self._waiting, []
            for entry in group:
                entry.error = error
        self._wake_next_leader()
        for entry in group:
            entry.finish()

    def _wake_next_leader(self) -> None:
        with self._lock:
            self._busy = bool(self._waiting)
            if self._waiting:
                self._waiting[0].woken.release()


class _Entry(Generic[Task, Result]):
    """A task and its outcome. Its thread sleeps until the task is done or until it leads the next group."""

    __slots__ = ("error", "is_done", "result", "task", "woken")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.is_done = False
        self.woken = threading.Lock()
        self.woken.acquire()

    def finish(self) -> None:
        self.is_done = True
        self.woken.release()
