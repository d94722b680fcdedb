"""Failpoints: named points at which the fault tests end a process as by kill -9. Unarmed, each costs one comparison."""

from __future__ import annotations

import os
import re
from typing import Final

NAMES: Final = (
    "after_claim_key",
    "before_commit",
    "after_commit",
    "after_publish",
    "after_job_claim",
    "mid_render",
    "after_temp_write",
    "after_rename",
    "before_done_commit",
    "after_unlink",
)
KILLED: Final = 137
"""The exit status a shell gives for a process that SIGKILL ended."""

_FORM: Final = re.compile(r"(?P<name>\w+)(?::(?P<about>.+?))?(?:/(?P<every>[1-9]\d*))?")


class _Armed:
    """The armed point of this process; none where the name is empty."""

    name = ""
    about = ""
    remaining = 1


def is_known(text: str) -> bool:
    """Whether `arm` takes the text: it is empty, or names a point."""
    match = _FORM.fullmatch(text)
    return not text or (match is not None and match["name"] in NAMES)


def arm(text: str) -> None:
    """Arm `name`, `name:about` (only where the point works on something with that text in it) or `name/3` (at every
    third passage of a process). An empty text disarms. Raises ValueError.
    """
    match = _FORM.fullmatch(text) if text else None
    if not is_known(text):
        raise ValueError(f"FAILPOINT: {text!r} is none of {', '.join(NAMES)}")
    _Armed.name = match["name"] if match else ""
    _Armed.about = (match["about"] or "") if match else ""
    _Armed.remaining = int(match["every"] or 1) if match else 1


def reach(name: str, about: str = "") -> None:
    """End the process here if this point is armed, without handlers and without flushing."""
    if _Armed.name == name and _Armed.about in about:
        _Armed.remaining -= 1
        if not _Armed.remaining:
            os._exit(KILLED)
