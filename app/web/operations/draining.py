"""Whether this web server is draining: the parent process sets it, and /readyz of all worker processes reports it.

The flag is one byte of memory that the processes share: it is mapped before the fork.
"""

from __future__ import annotations

import mmap
from typing import Final

_SHARED: Final = mmap.mmap(-1, 1)


def begin() -> None:
    _SHARED[0] = 1


def has_begun() -> bool:
    return _SHARED[0] != 0
