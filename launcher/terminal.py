"""Writes to the terminal: lines that stay, and one progress line that changes."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line to standard output."""
    settle()
    _write(f"{line}\n")


def progress(text: str) -> None:
    """Replace the progress line. Writes nothing when the output is not a terminal."""
    if sys.stdout.isatty():
        _write(f"\r\033[K{text}")


def settle() -> None:
    """Remove the progress line."""
    if sys.stdout.isatty():
        _write("\r\033[K")


def complain(line: str) -> None:
    """Write a line to standard error."""
    settle()
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
