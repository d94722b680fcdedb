"""Odd ids in the addresses of every route: none causes an error of the server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from urllib.parse import quote_from_bytes

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.routing import Rule

ODD: list[bytes] = [
    *(b"\0", b"a\0b", b"%00", b"\xff\xfe", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xe2\x80\xae", b"\r\nX: y", b"\t"),
    *(b"x" * 3_000, b"0" * 31, b"0" * 33, b"G" * 32, b"0" * 31 + b"\0", "\uff10".encode() * 32, b"0" * 32 + b"\n"),
    *(b".", b"..", b"a/b", b"//", b"'", b'"', b"\\", b";", b"--", b"%", b"%2e", b"a b", b"*", b"{", b"None", b"-1"),
    *(b"00000000-0000-0000-0000-00000000000g", b"00000000-0000-7000-8000-000000000000\0", b"9" * 400),
]
VALUES = [quote_from_bytes(value, safe="") for value in ODD]
VALID_VALUES = {
    "chart_id": "0" * 32,
    "extension": "png",
    "signal_id": "00000000-0000-7000-8000-000000000000",
    "token": "hook_x",
    "instrument": "AAPL",
    "timeframe": "1h",
}
FILTERS = ["instrument", "side", "status", "producer", "version", "since", "until", "cursor", "limit", "none"]
LISTS = ["/api/v1/signals", "/api/v1/signals/export.csv", "/api/v1/signals/export.ndjson", "/api/v1/bars/AAPL/1h"]


def odd_paths(rule: Rule) -> Iterator[str]:
    """Addresses of a rule: each odd value in each place, with valid values in the other places."""
    for name, value in product(sorted(rule.arguments), VALUES):
        path = rule.rule
        for each in rule.arguments:
            filled = value if each == name else VALID_VALUES.get(each, "x")
            for converter in ("", "uuid:", "path:", "instrument:", "chart_id:"):
                path = path.replace(f"<{converter}{each}>", filled)
        assert "<" not in path, path
        yield path


def is_refused(client: FlaskClient, method: str, path: str, **how: object) -> bool:
    response = client.open(path, method=method, **how)  # type: ignore[arg-type]
    assert response.status_code < 500, (method, path, response.data)
    assert response.status_code >= 400 or response.status_code in (200, 308), (method, path, response.status_code)
    return response.status_code >= 400


def test_no_odd_id_in_any_address_is_an_error_of_the_server(app: Flask) -> None:
    client, requests, refused = app.test_client(), 0, 0
    for rule in app.url_map.iter_rules():
        for path, method in product(odd_paths(rule), sorted(rule.methods or ())):
            requests += 1
            refused += is_refused(client, method, path, data=b"{}", content_type="application/json")
    assert requests > 500
    assert refused > requests / 2


def test_no_odd_value_in_a_query_is_an_error_of_the_server(client: FlaskClient) -> None:
    for path, name, value in product(LISTS, FILTERS, VALUES):
        is_refused(client, "GET", f"{path}?{name}={value}")


def test_no_odd_header_is_an_error_of_the_server(client: FlaskClient) -> None:
    texts = [value.decode("latin-1") for value in ODD if not set(value) & set(b"\r\n")]
    for name, text in product(("X-Producer-Id", "X-Request-ID", "webhook-id", "If-None-Match", "Prefer"), texts):
        for method, path in (("POST", "/api/v1/signals"), ("GET", f"/api/v1/charts/{'0' * 32}.png")):
            response = client.open(
                path, method=method, headers={name: text}, data=b"{", content_type="application/json"
            )
            assert 400 <= response.status_code < 500, (name, text, response.data)


def test_an_invalid_chart_id_is_not_found(client: FlaskClient) -> None:
    for value, ending in product(VALUES, ("", ".png")):
        response = client.get(f"/api/v1/charts/{value}{ending}")
        assert (response.status_code, response.content_type) == (404, "application/problem+json"), value
