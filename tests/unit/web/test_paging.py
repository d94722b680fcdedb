"""Cursors: opaque, valid for one list, not to be forged."""

from __future__ import annotations

import base64
import dataclasses
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError

from app.factory import create_app
from app.shared.errors import ValidationFailed
from app.web.http import paging

LIST = "/api/v1/signals"
ONE_APP = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@ONE_APP
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=4))
def test_a_decoded_cursor_has_the_encoded_values(unconnected: Flask, values: Any) -> None:
    with unconnected.test_request_context(LIST):
        assert paging.decode(paging.encode(*values)) == tuple(values)


def test_a_cursor_fits_into_a_url(unconnected: Flask) -> None:
    with unconnected.test_request_context(LIST):
        assert all(c.isalnum() or c in "-_" for c in paging.encode("\xff" * 50, 1, None))


@ONE_APP
@given(st.text(max_size=60))
def test_an_invalid_cursor_is_refused_with_a_pointer_to_it(unconnected: Flask, cursor: str) -> None:
    with unconnected.test_request_context(LIST), pytest.raises(ValidationFailed) as raised:
        paging.decode(cursor)
    assert [error.pointer for error in raised.value.errors] == ["/cursor"]


@ONE_APP
@given(st.data())
def test_a_changed_cursor_is_refused(unconnected: Flask, data: Any) -> None:
    with unconnected.test_request_context(LIST):
        cursor = paging.encode("0190b1a3-0000-7000-8000-000000000000")
        raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = data.draw(st.integers(0, len(raw) * 8 - 1))
        raw[place // 8] ^= 1 << place % 8
        with pytest.raises(ValidationFailed):
            paging.decode(base64.urlsafe_b64encode(raw).decode().rstrip("="))


def test_a_cursor_of_another_list_is_refused(unconnected: Flask) -> None:
    with unconnected.test_request_context(LIST):
        cursor = paging.encode("a")
    with unconnected.test_request_context("/api/v1/bars/EURUSD/1h"), pytest.raises(ValidationFailed):
        paging.decode(cursor)


def test_a_cursor_of_a_service_with_another_secret_is_refused(unconnected: Flask) -> None:
    other = unconnected.extensions["signalbox"]
    other = create_app(
        resources=dataclasses.replace(other, settings=dataclasses.replace(other.settings, secret_key="s" * 32))
    )
    with other.test_request_context(LIST):
        cursor = paging.encode("a")
    with unconnected.test_request_context(LIST), pytest.raises(ValidationFailed):
        paging.decode(cursor)


@pytest.mark.parametrize(("rows_read", "page", "more"), [(0, 0, False), (2, 2, False), (3, 3, False), (4, 3, True)])
def test_a_page_has_a_next_cursor_only_if_there_are_more_rows(
    unconnected: Flask, rows_read: Any, page: Any, more: Any
) -> None:
    with unconnected.test_request_context(LIST):
        rows, cursor = paging.cut(range(rows_read), 3, lambda row: row)
        assert len(rows) == page
        assert (cursor is not None) is more
        if cursor:
            assert paging.decode(cursor) == (str(rows[-1]),)


def test_a_page_has_fifty_rows_by_default() -> None:
    assert paging.PageQuery().load({}) == {"limit": 50}


@pytest.mark.parametrize("limit", ["0", "-1", "251", "many", "1.5", "", "1e2"])
def test_a_page_has_at_least_one_row_and_at_most_250(limit: object) -> None:
    with pytest.raises(ValidationError):
        paging.PageQuery().load({"limit": limit})
