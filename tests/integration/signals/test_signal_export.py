"""The export of signals: complete, exact, and in the memory of a few pages."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import insert, text

from app.resources import Resources
from app.shared.db import uuid7
from app.signals import queries
from app.signals.api import export
from app.signals.models import Signal
from app.signals.queries import SignalFilter
from config import ROOT
from tests.integration.signals.builders import NOON, PATH, post
from tests.integration.signals.conftest import Serve

CSV = f"{PATH}/export.csv"
NDJSON = f"{PATH}/export.ndjson"
MANY = 20_000
MEASURE = """
import resource, sys
from app.shared.db import Database
from app.signals import queries
from app.signals.api import export
from app.signals.queries import SignalFilter

database = Database(sys.argv[1])

def read(after_id, limit):
    with database.reading() as session:
        return queries.scan(session, SignalFilter(), after_id=after_id, limit=limit)

write = {"csv": export.as_csv, "ndjson": export.as_ndjson}[sys.argv[2]]
lines = grown = 0
for number, chunk in enumerate(write(export.read_pages(read))):
    lines += chunk.count(b"\\n")
    if number == 2:
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(lines, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - grown)
"""


def fill(resources: Resources, many: int) -> None:
    rows = [
        {
            "id": uuid7(),
            "producer_id": "desk-1",
            "external_id": f"e{number}",
            "instrument": f"I{number % 7}",
            "side": ("buy", "sell")[number % 2],
            "price": Decimal(f"{number}.50"),
            "time": NOON + timedelta(seconds=number),
            "version": "1",
            "payload": "{}",
            "status": "new",
            "signed": False,
            "dedup_key": "",
            "received_at": NOON,
        }
        for number in range(many)
    ]
    with resources.database.transaction() as session:
        session.execute(insert(Signal), rows)


def reader(resources: Resources) -> export.Read:
    def read(after_id: UUID | None, limit: int) -> Any:
        with resources.database.reading() as session:
            return queries.scan(session, SignalFilter(), after_id=after_id, limit=limit)

    return read


def read_csv(client: FlaskClient, **query: str) -> list[dict[str, str]]:
    response = client.get(CSV, query_string=query)
    assert response.status_code == 200
    assert response.content_type == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline="")))


def read_ndjson(client: FlaskClient, **query: str) -> list[dict[str, Any]]:
    response = client.get(NDJSON, query_string=query)
    assert response.status_code == 200
    assert response.content_type == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_line_of_json_is_the_signal_as_the_api_shows_it(client: FlaskClient) -> None:
    payload = {"note": 'a "quote", a\nline and \u20ac', "take_profit": [190, "195.50"]}
    ids = [(post(client, instrument=f"I{number}", payload=payload).json or {})["id"] for number in range(3)]
    assert read_ndjson(client) == [client.get(f"{PATH}/{signal_id}").json for signal_id in reversed(ids)]


def test_each_line_of_csv_holds_all_of_a_signal(client: FlaskClient) -> None:
    payload = {"note": 'a "quote", a\nline and \u20ac', "x": 1.10}
    signal = post(client, external_id='e,"1', price="0.10", payload=payload).json or {}
    (line,) = read_csv(client)
    assert json.loads(line.pop("payload")) == payload
    assert line.pop("signed") == "false"
    assert line == {name: signal[name] for name in line}
    assert '"x":1.1' in client.get(NDJSON).text


def test_an_absent_external_id_is_an_empty_field_in_csv_and_null_in_json(client: FlaskClient) -> None:
    post(client)
    assert read_csv(client)[0]["external_id"] == ""
    assert read_ndjson(client)[0]["external_id"] is None


def test_no_signals_are_a_header_alone(client: FlaskClient) -> None:
    assert client.get(CSV).text == ",".join(export.COLUMNS) + "\r\n"
    assert client.get(NDJSON).text == ""


def test_a_file_is_saved_under_a_name_and_not_kept_by_caches(client: FlaskClient) -> None:
    for path, name in ((CSV, "signals.csv"), (NDJSON, "signals.ndjson")):
        response = client.get(path)
        assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, 2_500),
        ({"instrument": "i3"}, 357),
        ({"side": "sell"}, 1_250),
        ({"producer": "nobody"}, 0),
        ({"since": (NOON + timedelta(seconds=100)).isoformat()}, 2_400),
        ({"until": (NOON + timedelta(seconds=100)).isoformat(), "side": "buy"}, 50),
    ],
)
def test_the_filters_of_the_list_choose_what_is_exported(
    client: FlaskClient, resources: Resources, query: dict[str, str], expected: int
) -> None:
    fill(resources, 2_500)
    for lines in (read_csv(client, **query), read_ndjson(client, **query)):
        ids = [line["id"] for line in lines]
        assert len(ids) == expected
        assert ids == sorted(set(ids), reverse=True)


@pytest.mark.parametrize("many", [0, 1, 9, 10, 11, 20])
def test_pages_hold_each_signal_once_wherever_they_end(resources: Resources, many: int) -> None:
    if many:
        fill(resources, many)
    external_ids = [row.external_id for rows in export.read_pages(reader(resources), size=10) for row in rows]
    assert external_ids == [f"e{number}" for number in reversed(range(many))]


def test_signals_that_come_while_a_file_is_written_are_not_in_it(resources: Resources) -> None:
    fill(resources, 25)
    pages = export.read_pages(reader(resources), size=10)
    seen = [row.id for row in next(iter(pages))]
    with resources.database.transaction() as session:
        session.execute(text("UPDATE signals SET producer_id = 'other'"))
    fill(resources, 5)
    seen += [row.id for rows in pages for row in rows]
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize("path", [CSV, NDJSON])
@pytest.mark.parametrize("query", ["limit=5", "cursor=x", "since=yesterday", "side=hold", "x=1"])
def test_an_unknown_or_invalid_filter_is_refused(client: FlaskClient, path: str, query: str) -> None:
    response = client.get(f"{path}?{query}")
    assert (response.status_code, response.content_type) == (422, "application/problem+json")


def test_without_the_database_the_response_is_a_problem_and_no_empty_file(serve: Serve) -> None:
    client = serve(database_url="postgresql://nobody@127.0.0.1:1/none", database_timeout_seconds=1.0)
    assert [client.get(path).status_code for path in (CSV, NDJSON)] == [503, 503]


def test_a_file_that_cannot_be_finished_does_not_end_as_if_it_were_whole(
    client: FlaskClient, resources: Resources
) -> None:
    fill(resources, 1_500)
    response = client.get(NDJSON, buffered=False)
    chunks: Iterator[Any] = iter(response.response)
    assert next(chunks)
    try:
        with resources.database.transaction() as session:
            session.execute(text("ALTER TABLE signals RENAME TO gone"))
        assert json.loads(b"".join(chunks).splitlines()[-1]) == {"error": export.FAILURE}
    finally:
        with resources.database.transaction() as session:
            session.execute(text("ALTER TABLE gone RENAME TO signals"))
    response.close()


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_long_file_is_written_in_the_memory_of_a_few_pages(resources: Resources, form: str) -> None:
    fill(resources, MANY)
    url = resources.database.url.render_as_string(hide_password=False)
    child = subprocess.run(
        [sys.executable, "-c", MEASURE, url, form],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.fullmatch(r"\d+ \d+\n", child.stdout), child.stderr
    lines, kilobytes = map(int, child.stdout.split())
    assert lines == MANY + (form == "csv")
    assert kilobytes < 4_000
