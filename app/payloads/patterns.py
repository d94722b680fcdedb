"""Patterns of payload schemas, matched by RE2: the time grows with the length of the text, whatever the pattern.

The dialect is RE2's, which reads what JSON Schema recommends of ECMA-262 alike. What needs backtracking is refused.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Any, Final

import re2

MAX_LENGTH: Final = 500
MAX_INSTRUCTIONS: Final = 2_000
"""Of the compiled program. RE2 looks at each of them for each byte of a text at worst."""
MEMORY_BYTES: Final = 512 * 1024
"""For one pattern, its program and the states that RE2 keeps. Without room for more states it matches more slowly."""
MAX_CACHED: Final = 4_096

_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,6})\}|(.))", re.DOTALL)
_NOT_IN_ECMA: Final = "CQ"
_SURROGATES: Final = range(0xD800, 0xE000)


class BadPattern(ValueError):
    """A pattern that is not accepted, and why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern. `instructions` times the bytes of a text bounds the steps of a match."""

    instructions: int
    _expression: Any

    def matches(self, text: bytes) -> bool:
        """Whether the pattern is found anywhere in the UTF-8 text."""
        return self._expression.search(text) is not None


@functools.lru_cache(maxsize=MAX_CACHED)
def compile_pattern(text: str) -> Pattern:
    """Raises BadPattern for what RE2 does not read, and for what is too long or takes too much room."""
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
    r"""An escape of ECMA-262 as RE2 writes it: `\u20ac` and `\u{20ac}` become `\x{20ac}`."""
    code, other = escape[1] or escape[2], escape[3]
    if other is not None:
        if other in _NOT_IN_ECMA:
            raise BadPattern(f"\\{other} has no meaning in a schema")
        return escape[0]
    if int(code, 16) in _SURROGATES:
        raise BadPattern(f"{escape[0]} is half a character: write \\u{{...}} or the character")
    return f"\\x{{{code}}}"


def _reason(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)
