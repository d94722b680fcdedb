"""The one error the launcher expects: something that its user has to put right, told in a line."""

from __future__ import annotations


class Refusal(Exception):
    """Ends the run with its text and exit status 1. `details` are lines of a log that back it up."""

    def __init__(self, reason: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.details = details
