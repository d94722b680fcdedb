"""The error that the engine raises for a spec that it cannot draw."""

from __future__ import annotations


class RenderError(Exception):
    """A value of the spec that cannot be drawn.

    `pointer` is a JSON pointer into the spec ("/data/close/3"); `message` says what is wrong with the value.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer}: {message}")
        self.pointer = pointer
        self.message = message
