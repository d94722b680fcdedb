"""What a person sees while things start: lines that stay, and on a terminal one line that changes."""

from __future__ import annotations

import sys


def say(line: str) -> None:
    """Write a line that stays."""
    settle()
    _write(f"{line}\n")


def progress(text: str) -> None:
    """Show what is going on now. Elsewhere than on a terminal this writes nothing."""
    if sys.stdout.isatty():
        _write(f"\r\033[K{text}")


def settle() -> None:
    """Take the changing line away."""
    if sys.stdout.isatty():
        _write("\r\033[K")


def complain(line: str) -> None:
    settle()
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
