"""Patterns of payload schemas: what they mean, and that none that is taken can take long."""

from __future__ import annotations

import contextlib
import re
import time
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.payloads.patterns import LONGEST_TEXT, MOST_WAYS, BadPattern, compile_pattern


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("^[A-Z]{3}$", "ABC", "ABC\n"),
        ("^[A-Z]+-[0-9]+$", "ES-2026", "ES-"),
        ("^(buy|sell)$", "sell", "sellx"),
        ("^(?:long|short)-[0-9]{1,3}?$", "long-12", "flat-1"),
        (r"^\d{4}-\d\d$", "2026-11", "\u0662\u0660\u0662\u0666-11"),
        ("[0-9]", "a1", "a"),
        (r"^a\/b\.c\$$", "a/b.c$", "a/bxc$"),
        (r"^\u20ac\x41\t$", "\u20acA\t", "A"),
        (r"^[^\]\-a-c[]+$", "xyz", "x]"),
        (r"^[\w.-]{1,5}$", "a.b-c", "a b"),
        ("^[a-]$", "-", "b"),
        ("^[&&||~~-]+$", "&|~-", "x"),
        (r"\bmom\b", "a mom b", "moment"),
        ("^$", "", "x"),
        ("^a]}$", "a]}", "a"),
    ],
)
def test_a_pattern_means_what_it_does_in_javascript(pattern, fitting, other):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled = compile_pattern(pattern)
    assert compiled.search(fitting)
    assert not compiled.search(other)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "^(a+)+$",
        "^(a|a)*$",
        "^(a?){30}b$",
        "^a+a+a+$",
        "a+b+",
        "^(x+x+)+y",
        "^([a-z]|[a-y])*$",
        "(a{1,9}){1,9}",
    ],
)
def test_a_pattern_that_could_take_long_is_refused_and_told_how_to_be_better(pattern):
    with pytest.raises(BadPattern, match="could take too long: begin it with"):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)", "a group other than"),
        ("(?<name>a)", "a group other than"),
        ("(?P<name>a)", "a group other than"),
        ("(?i)a", "a group other than"),
        (r"(a)\1", "has no meaning here"),
        (r"\p{L}", "has no meaning here"),
        (r"[\b]", "has no meaning here"),
        ("a\\", "has no meaning here"),
        (r"\x4", "has no meaning here"),
        ("[]", "an empty class"),
        ("[^]", "an empty class"),
        ("[a", r"a \[ without"),
        (r"[\d-z]", "a range from or to a set"),
        ("[z-a]", "ends before it begins"),
        ("(a", r"a \( without"),
        ("a)", r"unmatched \) at character 2"),
        ("*a", "nothing to repeat"),
        ("^*", "nothing to repeat"),
        ("a{,3}", "nothing to repeat"),
        ("a++", "a repetition of a repetition"),
        ("a{2}{3}", "a repetition of a repetition"),
        ("a{3,2}", "is no repetition"),
        ("a{1001}", "is no repetition"),
        ("(" * 11 + "a" + ")" * 11, "nested deeper than 10"),
        ("a" * 501, "longer than 500"),
    ],
)
def test_what_both_dialects_do_not_share_is_refused(pattern, reason):
    with pytest.raises(BadPattern, match=reason):
        compile_pattern(pattern)


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", r"\w", "(a|b)", "(?:a|ab)", "(?:a|a)", "(a?b?)", "(?:ab?)"])
REPETITIONS = st.sampled_from(["", "", "*", "+", "?", "{0,9}", "{2,5}", "{3}", "*?"])
PIECES = st.builds("{}{}".format, ATOMS, REPETITIONS)
BRANCHES = st.lists(PIECES, min_size=1, max_size=6).map("".join)
PATTERNS = st.builds(
    lambda start, branches, end: f"{start}(?:{'|'.join(branches)}){end}",
    st.sampled_from(["", "^"]),
    st.lists(BRANCHES, min_size=1, max_size=3),
    st.sampled_from(["", "$", "c", "{1,3}c$", "*c$"]),
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.sampled_from(["a", "ab", "b", "aab"]))
def test_no_pattern_that_is_taken_takes_long(pattern, repeated):
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    text = (repeated * LONGEST_TEXT)[: LONGEST_TEXT - 1] + "!"
    began = time.thread_time()
    compiled.search(text)
    assert time.thread_time() - began < 0.5


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text("abc", max_size=12))
def test_a_pattern_finds_what_the_original_finds(pattern, text):
    try:
        compiled = compile_pattern(pattern)
    except BadPattern:
        return
    assert (compiled.search(text) is None) == (re.search(pattern, text, re.ASCII) is None)


@settings(max_examples=500, deadline=None)
@given(st.text("ab.^$*+?{}[]()|\\-,19dwbx/!&~", max_size=20))
def test_any_text_is_a_pattern_or_refused_as_one(text):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(BadPattern):
            compile_pattern(text)


def test_the_bound_is_about_the_square_of_the_longest_text():
    assert LONGEST_TEXT**2 <= MOST_WAYS < LONGEST_TEXT**3
