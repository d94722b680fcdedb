"""Whether this web server is about to stop: told by its parent process to all its children, for the load balancer.

One byte of memory made before the fork, so that every process of the server sees it at once.
"""

from __future__ import annotations

import mmap
from typing import Final

_SHARED: Final = mmap.mmap(-1, 1)


def begin() -> None:
    _SHARED[0] = 1


def has_begun() -> bool:
    return _SHARED[0] != 0
