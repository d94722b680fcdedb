"""Patterns of payload schemas: what they mean, which are refused, and that their steps grow with the text alone."""

from __future__ import annotations

import contextlib
import re
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.payloads.patterns import MAX_INSTRUCTIONS, MAX_LENGTH, BadPattern, compile_pattern

BODY_BYTES = 31_000


def matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).matches(text.encode())


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("^[A-Z]{3}$", "ABC", "ABC\n"),
        ("^[A-Z]+-[0-9]+$", "ES-2026", "ES-"),
        ("^(buy|sell)$", "sell", "sellx"),
        ("^(?:long|short)-[0-9]{1,3}?$", "long-12", "flat-1"),
        ("^(?<year>[0-9]{4})-", "2026-11", "26-11"),
        (r"^\d{4}-\d\d$", "2026-11", "\u0662\u0660\u0662\u0666-11"),
        (r"^\w+$", "abc_1", "\xe4bc"),
        ("[0-9]", "a1", "a"),
        (r"^a\/b\.c\$$", "a/b.c$", "a/bxc$"),
        (r"^\u20ac\x41\t$", "\u20acA\t", "A"),
        (r"^\u{1F600}$", "\U0001f600", "\u1f600"),
        (r"^[\u0041-\u0043]$", "B", "D"),
        (r"^\\u20ac$", r"\u20ac", "\u20ac"),
        ("^.$", "\U0001f600", "ab"),
        ("^.$", "\u20ac", "\n"),
        (r"^\p{L}+$", "\xe4\u03b1", "1"),
        (r"^[^\]\-a-c[]+$", "xyz", "x]"),
        (r"^[\w.-]{1,5}$", "a.b-c", "a b"),
        ("^[a-]$", "-", "b"),
        ("^[&|~]+$", "&|~", "x"),
        (r"\bmom\b", "a mom b", "moment"),
        ("^$", "", "x"),
        ("^a]}$", "a]}", "a"),
        ("^.{1,200}$", "x" * 200, "x" * 201),
    ],
)
def test_a_pattern_means_what_it_does_in_javascript(pattern, fitting, other):
    assert matches(pattern, fitting)
    assert not matches(pattern, other)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=a)", "invalid perl operator"),
        ("(?!a)", "invalid perl operator"),
        ("(?<=a)", "invalid perl operator"),
        ("(?>a)", "invalid perl operator"),
        (r"(a)\1", "invalid escape sequence"),
        (r"(?<n>a)\k<n>", "invalid escape sequence"),
        (r"[\b]", "invalid escape sequence"),
        (r"\cA", "invalid escape sequence"),
        (r"\C", r"\\C has no meaning in a schema"),
        (r"\Qa\E", r"\\Q has no meaning in a schema"),
        (r"\ud83d\ude00", r"\\ud83d is half a character"),
        (r"\p{Letter}", "invalid character class range"),
        ("a\\", r"trailing \\"),
        ("[]", "missing ]"),
        ("[^]", "missing ]"),
        ("[z-a]", "invalid character class range"),
        ("(a", r"missing \)"),
        ("a)", r"unexpected \)"),
        ("*a", "no argument for repetition"),
        ("a++", "bad repetition operator"),
        ("a{1001}", "invalid repetition size"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        (r"\p{L}{1,50}", "pattern too large"),
        ("[a-z]{1,60}" * 40, "instructions, at most 2000: repeat less"),
        ("a" * (MAX_LENGTH + 1), "longer than 500 characters"),
    ],
)
def test_what_needs_backtracking_or_too_much_room_is_refused_with_the_reason(pattern, reason):
    with pytest.raises(BadPattern, match=reason):
        compile_pattern(pattern)


CATASTROPHIC = [
    ("^(a+)+$", "a" * (BODY_BYTES - 1) + "!"),
    ("^(a|a)*$", "a" * (BODY_BYTES - 1) + "!"),
    ("^(a?){30}a{30}$", "a" * BODY_BYTES),
    ("^([a-z]|[a-y])*$", "a" * (BODY_BYTES - 1) + "!"),
    ("(x+x+)+y", "x" * BODY_BYTES),
    ("(.*)*(.*)*(.*)*z", "a" * BODY_BYTES),
    ("(a|b)*a(a|b){12}x", "ab" * (BODY_BYTES // 2)),
    (r"^(\w+\s?)*$", "word " * (BODY_BYTES // 5) + "!"),
]


@pytest.mark.parametrize(("pattern", "text"), CATASTROPHIC)
def test_a_pattern_on_which_others_run_for_ever_is_decided_on_a_whole_body(pattern, text):
    """A matcher that backtracks needs more steps for these than there are atoms: ending at all is the test."""
    assert not matches(pattern, text)


@pytest.mark.parametrize(("pattern", "_text"), CATASTROPHIC)
def test_the_steps_of_a_match_are_bounded_by_the_program_and_the_text(pattern, _text):
    assert 0 < compile_pattern(pattern).instructions <= MAX_INSTRUCTIONS


def test_what_is_refused_leaves_nothing_in_the_log_of_the_process(capfd):
    for pattern in ("(?=a)", "a{1001}", r"\p{L}{1,50}"):
        with pytest.raises(BadPattern):
            compile_pattern(pattern)
    compile_pattern("(a{1,30}){1,20}c").matches(b"a" * BODY_BYTES)
    assert capfd.readouterr() == ("", "")


ATOMS = st.sampled_from(["a", "b", ".", "[ab]", r"\w", "(a|b)", "(?:a|ab)", "(?:a|a)", "(a?b?)", "(?:ab?)"])
REPETITIONS = st.sampled_from(["", "", "*", "+", "?", "{0,9}", "{2,5}", "{3}", "*?"])
REPEATED_ATOMS = st.builds("{}{}".format, ATOMS, REPETITIONS)
BRANCHES = st.lists(REPEATED_ATOMS, min_size=1, max_size=4).map("".join)
PATTERNS = st.builds(
    lambda start, branches, end: f"{start}(?:{'|'.join(branches)}){end}",
    st.sampled_from(["", "^"]),
    st.lists(BRANCHES, min_size=1, max_size=3),
    st.sampled_from(["", "$", "c", "{1,3}c$"]),
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.text("abc", max_size=8))
def test_a_pattern_finds_what_a_matcher_that_backtracks_finds(pattern, text):
    assert matches(pattern, text) == (re.search(pattern, text, re.ASCII) is not None)


@settings(max_examples=500, deadline=None)
@given(st.text("ab.^$*+?{}[]()|\\-,19dwbxuQC/!&~\x00\xe4", max_size=20))
def test_any_text_is_a_pattern_or_refused_as_one(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with contextlib.suppress(BadPattern):
            compile_pattern(pattern).matches("ab\xe4".encode())
