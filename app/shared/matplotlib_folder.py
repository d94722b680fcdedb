"""Checks the folder of Matplotlib's cache before Matplotlib is imported: its own refusal is a traceback."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

VARIABLE: Final = "MPLCONFIGDIR"


def require() -> None:
    """Raises SystemExit with one line when MPLCONFIGDIR cannot be written and no temporary folder can take its place.

    Matplotlib makes a temporary folder by itself where it can. Without the variable it chooses a folder.
    """
    # Matplotlib itself reads this variable, at import: settings would come too late.
    folder = os.environ.get(VARIABLE)  # noqa: TID251
    problem = _problem(Path(folder)) if folder else None
    if problem and not _has_temporary_folder():
        raise SystemExit(
            f"{VARIABLE}: {folder} is not writable ({problem}), and neither is a temporary folder;"
            " in a read-only container mount a tmpfs at /tmp"
        )


def _problem(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK) else "no permission to write"


def _has_temporary_folder() -> bool:
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        return False
    return True
