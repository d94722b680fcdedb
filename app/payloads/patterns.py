"""Patterns of payload schemas, read word by word: so none can take long, and all mean what they do in JavaScript.

What is taken is what both dialects write alike: characters, classes, groups, alternatives and repetitions. Each pattern
is priced before it is used: in how many ways it could be tried on the longest text, repetitions and alternatives
multiplied. A matcher that backtracks takes no more steps than that.
"""

from __future__ import annotations

import functools
import re
import string
from dataclasses import dataclass
from typing import Final

LONGEST_TEXT: Final = 256
"""Characters of a text that a pattern is tried on; longer ones do not fit any pattern."""
LONGEST_PATTERN: Final = 500
MOST_WAYS: Final = 100_000
DEEPEST: Final = 10
MOST_REPEATS: Final = 1_000

_ONCE: Final = (1, 1)
_SHORT: Final = {"*": (0, LONGEST_TEXT), "+": (1, LONGEST_TEXT), "?": (0, 1)}
_BOUNDS: Final = re.compile(r"\{([0-9]{1,4})(?:(,)([0-9]{1,4})?)?\}")
_SETS: Final = "dDwWsS"
_CONTROLS: Final = "tnrfv"
_CODE: Final = re.compile(r"\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})")


class BadPattern(ValueError):
    """A pattern that is not taken, and why."""


@functools.lru_cache(maxsize=1_024)
def compile_pattern(text: str) -> re.Pattern[str]:
    r"""The pattern, to search with. Raises BadPattern.

    `$` is the very end of the text, \d and \w are ASCII, as the JSON Schema standard has them and Python does not.
    """
    if len(text) > LONGEST_PATTERN:
        raise BadPattern(f"longer than {LONGEST_PATTERN} characters")
    reader = _Reader(text)
    whole = reader.alternatives(DEEPEST)
    if reader.rest:
        raise BadPattern(f"an unmatched ) at character {reader.at + 1}")
    ways = whole.ways if whole.anchored else whole.ways * (LONGEST_TEXT + 1)
    if ways > MOST_WAYS:
        raise BadPattern(
            "could take too long: begin it with ^, give its repetitions an end such as {1,20}, "
            "write alternatives of one character as a class"
        )
    return re.compile(whole.words, re.ASCII)


@dataclass(frozen=True, slots=True)
class _Part:
    """A part in Python's words, in how many ways it can be tried from one place, and whether it begins with ^."""

    words: str
    ways: int = 1
    anchored: bool = False


class _Reader:
    """Reads a pattern from left to right, one method for each rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def rest(self) -> str:
        return self.text[self.at :]

    def alternatives(self, depth: int) -> _Part:
        branches = [self._branch(depth)]
        while self._take("|"):
            branches.append(self._branch(depth))
        return _Part(
            "|".join(branch.words for branch in branches),
            sum(branch.ways for branch in branches),
            all(branch.anchored for branch in branches),
        )

    def _branch(self, depth: int) -> _Part:
        pieces: list[_Part] = []
        while self.rest and self.rest[0] not in "|)":
            pieces.append(self._piece(depth))
        ways = 1
        for piece in pieces:
            ways = min(ways * piece.ways, MOST_WAYS + 1)
        return _Part("".join(piece.words for piece in pieces), ways, bool(pieces) and pieces[0].anchored)

    def _piece(self, depth: int) -> _Part:
        atom = self._atom(depth)
        before = self.at
        least, most = self._repetition()
        repetition = self.text[before : self.at]
        if not repetition:
            return atom
        if atom.words in ("^", r"\Z", r"\b", r"\B"):
            raise BadPattern(f"nothing to repeat at character {before + 1}")
        return _Part(atom.words + repetition, _ways(atom.ways, least, most), anchored=atom.anchored and least > 0)

    def _repetition(self) -> tuple[int, int]:
        """How often the atom before may stand; the bounds of an open end are those of the longest text."""
        first = self.rest[:1]
        if first in _SHORT:
            self.at += 1
            bounds = _SHORT[first]
        elif found := _BOUNDS.match(self.rest):
            self.at += found.end()
            least = int(found[1])
            bounds = (least, int(found[3]) if found[3] else max(least, LONGEST_TEXT) if found[2] else least)
            if not least <= bounds[1] <= MOST_REPEATS:
                raise BadPattern(f"{found[0]} is no repetition")
        else:
            return _ONCE
        self._take("?")
        if self.rest[:1] in ("+", "*", "?", "{"):
            raise BadPattern(f"a repetition of a repetition at character {self.at + 1}")
        return bounds

    def _atom(self, depth: int) -> _Part:
        character = self.rest[0]
        if character == "\\":
            return _Part(self._escape())
        self.at += 1
        if character == "(":
            return self._group(depth)
        if character == "[":
            return _Part(self._class())
        if character in "*+?{":
            raise BadPattern(f"nothing to repeat at character {self.at}")
        if character == "^":
            return _Part("^", anchored=True)
        return _Part({".": ".", "$": r"\Z"}.get(character) or re.escape(character))

    def _group(self, depth: int) -> _Part:
        if depth == 0:
            raise BadPattern(f"groups nested deeper than {DEEPEST}")
        if self._take("?") and not self._take(":"):
            raise BadPattern("a group other than (...) and (?:...)")
        inner = self.alternatives(depth - 1)
        if not self._take(")"):
            raise BadPattern("a ( without its )")
        return _Part(f"(?:{inner.words})", inner.ways, inner.anchored)

    def _class(self) -> str:
        """What stands between [ and ], every character escaped but the dashes of ranges."""
        words = "[^" if self._take("^") else "["
        empty = True
        while not self._take("]"):
            if not self.rest:
                raise BadPattern("a [ without its ]")
            words += self._member()
            empty = False
        if empty:
            raise BadPattern("an empty class")
        return f"{words}]"

    def _member(self) -> str:
        first = self._class_character()
        if not (self.rest[:1] == "-" and self.rest[1:2] not in ("", "]")):
            return first
        self.at += 1
        last = self._class_character()
        if any(word[:1] == "\\" and word[1:] in _SETS for word in (first, last)):
            raise BadPattern("a range from or to a set")
        try:
            re.compile(f"[{first}-{last}]")
        except re.error as error:
            raise BadPattern("a range that ends before it begins") from error
        return f"{first}-{last}"

    def _class_character(self) -> str:
        if self.rest[:1] == "\\":
            return self._escape(in_class=True)
        self.at += 1
        return re.escape(self.text[self.at - 1])

    def _escape(self, *, in_class: bool = False) -> str:
        if found := _CODE.match(self.rest):
            self.at += found.end()
            return found[0]
        character = self.rest[1:2]
        self.at += 2
        if character and character in _SETS + _CONTROLS + ("" if in_class else "bB"):
            return f"\\{character}"
        if character and character in string.punctuation:
            return re.escape(character)
        raise BadPattern(f"\\{character} has no meaning here")

    def _take(self, wanted: str) -> bool:
        taken = self.rest.startswith(wanted)
        self.at += taken
        return taken


def _ways(inner: int, least: int, most: int) -> int:
    """In how many ways `least` to `most` repetitions can be tried, each in `inner` ways of its own."""
    total, power = 0, 1
    for count in range(most + 1):
        if count >= least:
            total += power
        if total > MOST_WAYS or power > MOST_WAYS:
            return MOST_WAYS + 1
        power *= inner
    return total
