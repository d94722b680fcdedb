"""The error for problems that the user has to solve, described in one line."""

from __future__ import annotations


class Refusal(Exception):
    """Ends the run with its text and exit status 1. `details` are lines of the log that explain it."""

    def __init__(self, reason: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.details = details
