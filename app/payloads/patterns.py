"""Patterns of payload schemas, matched by RE2, whose time grows linearly with the text for every pattern.

The syntax is RE2's. It reads the subset of ECMA-262 that JSON Schema recommends in the same way, and refuses what
needs backtracking.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Final

import re2

MAX_LENGTH: Final = 500
MAX_INSTRUCTIONS: Final = 2_000
"""Of the compiled program. In the worst case RE2 runs each of them for each byte of a text."""
MEMORY_BYTES: Final = 512 * 1024
"""For one pattern: its program and RE2's cached states. Without room for more states RE2 matches more slowly."""
MAX_CACHED: Final = 4_096

_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
_NOT_IN_ECMA: Final = "CQ"
_SURROGATES: Final = range(0xD800, 0xE000)


class BadPattern(ValueError):
    """A pattern that is not accepted, with the reason."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. A match takes at most `instructions` times the bytes of the text, in steps."""

    instructions: int
    _expression: Any

    def matches(self, text: bytes) -> bool:
        """Whether the pattern matches anywhere in the UTF-8 text."""
        return self._expression.search(text) is not None


@functools.lru_cache(maxsize=MAX_CACHED)
def compile_pattern(text: str) -> Pattern:
    """Raises BadPattern for a pattern that RE2 does not support, that is too long or needs too much memory."""
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"longer than {MAX_LENGTH} characters")
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        expression = re2.compile(_ESCAPE.sub(_translate, text), options)
    except re2.error as error:
        raise BadPattern(_reason(error)) from error
    if expression.programsize > MAX_INSTRUCTIONS:
        raise BadPattern(f"takes {expression.programsize} instructions, at most {MAX_INSTRUCTIONS}: repeat less")
    return Pattern(expression.programsize, expression)


def _translate(escape: re.Match[str]) -> str:
    r"""An escape of ECMA-262 in the syntax of RE2: `\u20ac` and `\u{20ac}` become `\x{20ac}`."""
    code, other = escape[1] or escape[2], escape[3]
    if other is not None:
        if other in _NOT_IN_ECMA:
            raise BadPattern(f"\\{other} has no meaning in a schema")
        return escape[0]
    if int(code, 16) in _SURROGATES:
        raise BadPattern(f"{escape[0]} is half a character: write \\u{{...}} or the character")
    return f"\\x{{{code}}}"


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
