"""The one error the engine raises: what in the spec cannot be drawn, and where it stands."""

from __future__ import annotations


class RenderError(Exception):
    """Data or settings that cannot become a picture.

    `pointer` is a JSON pointer into the spec ("/data/close/3"); `message` says what is wrong there.
    """

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer}: {message}")
        self.pointer = pointer
        self.message = message
