"""/api/v1/bars as a client sees it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from config import ROOT

URL = "/api/v1/bars/EURUSD/1h"
SERIES = "/api/v1/bars/{instrument}/{timeframe}"
DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text())
CSV = "Date,Open,High,Low,Close\n2026-01-01,1,2,1,1.5\n2026-01-02,1,2,1,1.5\n"
DAY = 86_400_000
FIRST = 1_767_225_600_000


def columns(rows: int = 3, **others: Any) -> dict[str, Any]:
    return {
        "time": [FIRST + row * DAY for row in range(rows)],
        "open": [1.25] * rows,
        "high": [2] * rows,
        "low": ["1.0"] * rows,
        "close": [1.5] * rows,
        "volume": [100] * rows,
    } | others


def problem(response: TestResponse, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response.content_type == "application/problem+json"
    document: dict[str, Any] = response.get_json(force=True)
    assert document["type"].endswith(slug)
    return document


def test_stored_bars_can_be_read(client: FlaskClient) -> None:
    response = client.put(URL, json=columns())
    assert (response.status_code, response.get_json()) == (200, {"inserted": 3, "updated": 0})
    response = client.get(URL)
    assert response.status_code == 200
    assert response.get_json() == {
        "instrument": "EURUSD",
        "timeframe": "1h",
        "time": [FIRST, FIRST + DAY, FIRST + 2 * DAY],
        "open": [1.25] * 3,
        "high": [2.0] * 3,
        "low": [1.0] * 3,
        "close": [1.5] * 3,
        "volume": [100.0] * 3,
    }


def test_putting_again_updates(client: FlaskClient) -> None:
    client.put(URL, json=columns(2))
    response = client.put(URL, json=columns(3, close=[1.75] * 3))
    assert response.get_json() == {"inserted": 1, "updated": 2}
    assert client.get(URL).get_json()["close"] == [1.75] * 3


def test_a_csv_table_is_accepted(client: FlaskClient) -> None:
    response = client.put(URL, data=CSV, content_type="text/csv; charset=utf-8")
    assert response.get_json() == {"inserted": 2, "updated": 0}
    stored = client.get(URL).get_json()
    assert (stored["time"], stored["volume"]) == ([FIRST, FIRST + DAY], None)


@pytest.mark.parametrize("written", ["eur/usd", "EUR%2FUSD", "EUR/USD"])
def test_an_instrument_may_hold_a_slash_and_any_case(client: FlaskClient, written: str) -> None:
    client.put("/api/v1/bars/EUR%2Fusd/1h", json=columns())
    assert client.get(f"/api/v1/bars/{written}/1h").get_json()["instrument"] == "EUR/USD"


@pytest.mark.parametrize(
    "written",
    ["BINANCE:BTCUSDT.P", "A%2F%2FB", "1h/1h", "A%2F", "-", "a.b_c-d", "%2FES", "/ES", "//ES", "/1h", "/", "//"],
)
def test_an_instrument_may_be_all_that_signals_allow(client: FlaskClient, written: str) -> None:
    url = f"/api/v1/bars/{written}/1h"
    assert client.put(url, json=columns()).status_code == 200
    assert client.get(url).get_json()["instrument"] == written.upper().replace("%2F", "/")


def documented_bounds() -> tuple[int, int]:
    (parameter,) = (each for each in DOCUMENT["paths"][SERIES]["get"]["parameters"] if each["name"] == "until")
    (whole,) = (each for each in parameter["schema"]["anyOf"] if each["type"] == "integer")
    return whole["minimum"], whole["maximum"]


def test_until_accepts_its_documented_bounds_and_nothing_beyond(client: FlaskClient) -> None:
    least, greatest = documented_bounds()
    client.put(URL, json=columns())
    assert client.get(f"{URL}?until={greatest}").get_json()["time"] == columns()["time"]
    problem(client.get(f"{URL}?until={least}"), 404, "not-found")
    for beyond in (least - 1, greatest + 1):
        document = problem(client.get(f"{URL}?until={beyond}"), 422, "validation-failed")
        assert document["errors"] == [{"pointer": "/until", "message": "Not between the years 1800 and 2200."}]


def test_a_bar_may_start_at_either_bound_of_until(client: FlaskClient) -> None:
    bounds = documented_bounds()
    assert client.put(URL, json=columns(2, time=list(bounds))).status_code == 200
    for until, found in zip(bounds, (bounds[:1], bounds), strict=True):
        assert client.get(f"{URL}?until={until}").get_json()["time"] == list(found)


def test_until_and_limit_choose_the_last_bars_by_then(client: FlaskClient) -> None:
    client.put(URL, json=columns(5))
    for until in (str(FIRST + 2 * DAY), "2026-01-03", "2026-01-03T01:00:00%2B01:00", "2026-01-03T23:59:59Z"):
        response = client.get(f"{URL}?until={until}&limit=2")
        assert response.get_json()["time"] == [FIRST + DAY, FIRST + 2 * DAY]
    assert client.get(f"{URL}?limit=1").get_json()["time"] == [FIRST + 4 * DAY]


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("until=yesterday", "/until"),
        ("until=2026-01-03T01:00:00", "/until"),
        ("limit=0", "/limit"),
        ("limit=20001", "/limit"),
        ("limit=x", "/limit"),
        ("since=2026-01-01", "/since"),
    ],
)
def test_an_invalid_query_parameter_is_refused_by_name(client: FlaskClient, query: str, pointer: str) -> None:
    document = problem(client.get(f"{URL}?{query}"), 422, "validation-failed")
    assert [error["pointer"] for error in document["errors"]] == [pointer]


def test_bars_that_are_not_there_are_not_found(client: FlaskClient) -> None:
    assert problem(client.get(URL), 404, "not-found")["detail"] == "no 1h bars of EURUSD"
    client.put(URL, json=columns())
    problem(client.get("/api/v1/bars/EURUSD/4h"), 404, "not-found")
    problem(client.get(f"{URL}?until=2025-12-31"), 404, "not-found")


def test_an_unknown_timeframe_and_a_bad_instrument_are_refused(client: FlaskClient) -> None:
    for response in (client.get("/api/v1/bars/EUR USD/2h"), client.put("/api/v1/bars/EUR USD/2h", json=columns())):
        document = problem(response, 422, "validation-failed")
        assert [error["pointer"] for error in document["errors"]] == ["/instrument", "/timeframe"]


def test_the_first_bad_row_is_named_and_nothing_is_stored(client: FlaskClient) -> None:
    document = problem(client.put(URL, json=columns(3, high=[2, 1, 0])), 422, "validation-failed")
    assert document["errors"] == [{"pointer": "/high/1", "message": "lower than the open or the close"}]
    response = client.put(URL, data=f"{CSV}2026-01-03,1,2,1,-\n", content_type="text/csv")
    document = problem(response, 422, "validation-failed")
    assert document["errors"] == [{"pointer": "/close/2", "message": "not a number (line 4)"}]
    problem(client.get(URL), 404, "not-found")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"time": [1], "time": [2]}', b'{"time": [NaN]}'])
def test_what_is_not_json_is_refused(client: FlaskClient, body: bytes) -> None:
    problem(client.put(URL, data=body, content_type="application/json"), 400, "malformed-json")


@pytest.mark.parametrize("content_type", ["application/xml", "text/plain", "application/octet-stream"])
def test_other_media_types_are_refused(client: FlaskClient, content_type: str) -> None:
    problem(client.put(URL, data=CSV, content_type=content_type), 415, "unsupported-media-type")


def test_a_packed_body_is_refused(client: FlaskClient) -> None:
    response = client.put(URL, data=CSV, content_type="text/csv", headers={"Content-Encoding": "gzip"})
    problem(response, 415, "unsupported-media-type")


def test_a_body_over_the_limit_or_without_a_length_is_refused(client: FlaskClient) -> None:
    line = "2026-01-01,1,2,1,1.5\n"
    body = (CSV + line * (4 * 1024 * 1024 // len(line) + 1)).encode()
    problem(client.put(URL, data=body, content_type="text/csv"), 413, "payload-too-large")
    # What a server hands on for a chunked body: a stream that ends by itself.
    chunked = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    problem(client.put(URL, content_type="text/csv", environ_overrides=chunked), 411, "length-required")
    problem(client.get(URL), 404, "not-found")


def test_the_document_describes_both_forms_of_bars(client: FlaskClient) -> None:
    path = client.get("/openapi.json").get_json()["paths"]["/api/v1/bars/{instrument}/{timeframe}"]
    assert set(path["put"]["requestBody"]["content"]) == {"application/json", "text/csv"}
    assert {parameter["name"] for parameter in path["get"]["parameters"]} >= {"until", "limit"}
