"""Any bytes to any endpoint: the response is never an unexpected error and never takes long."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import Settings

SLOWEST_SECONDS = 3
ONE_APP = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=200, deadline=None
)
OTHER_METHODS = ("PATCH", "DELETE", "TRACE", "BREW")
PLACES = (
    "0190b1a3-0000-7000-8000-000000000000",
    "EURUSD",
    "1h",
    "a.png",
    "%00",
    "%ff",
    "..",
    "//",
    "\u20ac",
    "x" * 300,
)
HEADER_TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f"), max_size=40)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "Accept",
            "Authorization",
            "Content-Encoding",
            "Cookie",
            "If-Modified-Since",
            "If-None-Match",
            "Prefer",
            "Range",
            "X-Producer-Id",
            "X-Request-ID",
            "X-Signature",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        ]
    ),
    HEADER_TEXT,
    max_size=4,
)
KINDS = st.sampled_from(["application/json", "text/csv", "application/json; charset=\xff", "multipart/form-data", "a"])
QUERIES = st.sampled_from(
    ["", "limit=1", "limit=\x00", "cursor=%ff", "until=9e99", "since=-1", "a[]=1&a[]=2", "%", "&=&"]
)
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"{}", b"[]", b"null", b'{"type":"candlestick"}', b"time,open\n", b'{"time":[1],"open":[NaN]}']),
)


@pytest.fixture
def client(sqlite_settings: Settings, make_app: Callable[[Settings], Flask]) -> FlaskClient:
    app = make_app(sqlite_settings)
    app.testing = False
    return app.test_client()


@pytest.fixture
def operations(client: FlaskClient) -> list[tuple[str, str]]:
    """Every method and path of the application, with {} for each variable of the path."""
    return sorted(
        (method, re.sub("<[^>]*>", "{}", rule.rule))
        for rule in client.application.url_map.iter_rules()
        for method in rule.methods or ()
    )


@ONE_APP
@given(st.data())
def test_any_request_gets_a_response_and_every_error_is_a_problem(
    client: FlaskClient, operations: list[tuple[str, str]], data: st.DataObject
) -> None:
    method, path = data.draw(st.sampled_from(operations))
    if data.draw(st.integers(0, 9)) == 0:
        method = data.draw(st.sampled_from(OTHER_METHODS))
    began = time.thread_time()
    with client.open(
        path.format(*(data.draw(st.sampled_from(PLACES)) for _ in range(path.count("{}")))),
        method=method,
        query_string=data.draw(QUERIES),
        data=data.draw(BODIES),
        content_type=data.draw(KINDS),
        headers=data.draw(HEADERS),
    ) as response:
        assert response.status_code < 500 or response.status_code == 503, response.get_data(as_text=True)
        if response.status_code >= 400 and method != "HEAD":
            assert response.mimetype == "application/problem+json"
    assert time.thread_time() - began < SLOWEST_SECONDS
