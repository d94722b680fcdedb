"""Strict JSON: which bodies are refused, and that numbers keep every digit."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.shared import exact_json
from app.shared.errors import MalformedJson


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{'a':1}",
        b"[1,]",
        b"nul",
        b"01",
        b"+1",
        b".5",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"[NaN]",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'{"a":1,"a":2}',
        b'{"x":{"a":1,"\\u0061":2}}',
        b'"\\u0000"',
        b'{"\\u0000":1}',
        b'"\\ud800"',
        b'{"\\udfff":1}',
        b'["\\udc00\\ud800"]',
        b"1e401",
        b"-1e-401",
        b"1e99999999999999999999",
        b"9" * 401,
        b"0." + b"1" * 401,
        b'"a\0b"',
        b"[" * 17 + b"]" * 17,
        b'[{},"[[[",' + b"[" * 16 + b"]" * 16 + b"]",
        b"[" * 100_000,
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b'"a\nb"',
    ],
)
def test_what_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedJson):
        exact_json.loads(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b" {} ", {}),
        (b"[" * 16 + b"]" * 16, eval("[" * 16 + "]" * 16)),  # noqa: S307 - sixteen lists
        (b'["' + b"[{" * 16 + b'",' + b"[]," * 16 + b"{}]", ["[{" * 16, *[[]] * 16, {}]),
        (b'"\\\\u0000"', "\\u0000"),
        (b"0.1", Decimal("0.1")),
        (b"1.10", Decimal("1.10")),
        (b"1e400", Decimal("1e400")),
        (b"-0", 0),
        (b"9223372036854775808", Decimal(2**63)),
        (b"9" * 400, Decimal("9" * 400)),
        ('"\U0001f600"'.encode(), "\U0001f600"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"true", True),
        (b"null", None),
    ],
)
def test_strict_json_is_read(body: bytes, value: Any) -> None:
    assert exact_json.loads(body) == value


def test_a_decimal_keeps_its_trailing_zeros_both_ways() -> None:
    assert exact_json.dumps(exact_json.loads(b'{"price":1.1000}')) == b'{"price":1.1000}'


def test_a_duplicate_key_is_named_and_cut_short() -> None:
    with pytest.raises(MalformedJson, match="stands twice") as raised:
        exact_json.loads(json.dumps({"k" * 1000: 1}).encode()[:-1] + b', "' + b"k" * 1000 + b'": 2}')
    assert len(raised.value.detail) < 120


def test_what_has_no_json_form_is_not_written() -> None:
    with pytest.raises(TypeError):
        exact_json.dumps({"a": object()})


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**18), 10**18)
    | texts
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    text = exact_json.dumps(value)
    assert exact_json.dumps(exact_json.loads(text)) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedJson):
        exact_json.dumps(exact_json.loads(body))


def test_numbers_of_columns_may_come_as_floats() -> None:
    assert exact_json.loads(b"[1.5, 2, 1e-3]", exact=False) == [1.5, 2, 0.001]
    assert isinstance(exact_json.loads(b"[1.5]", exact=False)[0], float)
    with pytest.raises(MalformedJson, match="too large"):
        exact_json.loads(b"[1e999]", exact=False)
