"""Named points at which a process can be told to die, as by kill -9: the fault tests kill it exactly there.

Unarmed, which is always so outside of those tests, a point costs one comparison.
"""

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
    """The one point of this process that is armed; an empty name is none."""

    name = ""
    about = ""
    left = 1


def is_known(text: str) -> bool:
    """Whether `arm` takes the text: it is empty, or names a point."""
    found = _FORM.fullmatch(text)
    return not text or (found is not None and found["name"] in NAMES)


def arm(text: str) -> None:
    """Arm `name`, `name:about` (only where the point works on something with that text in it) or `name/3` (at every
    third passage of a process). An empty text disarms. Raises ValueError.
    """
    found = _FORM.fullmatch(text) if text else None
    if not is_known(text):
        raise ValueError(f"FAILPOINT: {text!r} is none of {', '.join(NAMES)}")
    _Armed.name = found["name"] if found else ""
    _Armed.about = (found["about"] or "") if found else ""
    _Armed.left = int(found["every"] or 1) if found else 1


def reach(name: str, about: str = "") -> None:
    """Die here if this point is armed: no handler, no flush, no goodbye to any server."""
    if _Armed.name == name and _Armed.about in about:
        _Armed.left -= 1
        if not _Armed.left:
            os._exit(KILLED)
