"""Signals as files of any length: read page by page and written as they are read, so that memory stays what it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row

from app.shared import exact_json, logs
from app.shared.clock import rfc3339
from app.signals.api.schemas import signal_view

PAGE: Final = 1_000
FAILURE: Final = "the export failed here: what is above is not all; send the request again"

log = logs.get_logger(__name__)

Pages = Iterable[Sequence[Row[Any]]]
Read = Callable[[UUID | None, int], Sequence[Row[Any]]]
"""Reads so many rows, newest first, that come after the signal of this id, or the first ones."""

COLUMNS: Final = (
    "id",
    "producer_id",
    "external_id",
    "instrument",
    "side",
    "price",
    "time",
    "version",
    "status",
    "signed",
    "received_at",
    "payload",
)


def pages(read: Read, *, size: int = PAGE) -> Iterator[Sequence[Row[Any]]]:
    """The rows of all signals, newest first, each page in a transaction of its own.

    What comes in after the first page was read is not among them. The first page is read when this is called, so that
    a database that is away is told before an answer has begun.
    """
    first = read(None, size)
    return chain([first], _following(read, first, size))


def as_csv(found: Pages) -> Iterator[bytes]:
    """RFC 4180 with a header, UTF-8; the payload is JSON text."""
    return _with_failure_line(_csv(found), f'"{FAILURE}"\r\n'.encode())


def as_ndjson(found: Pages) -> Iterator[bytes]:
    """One JSON object a line, each as the API shows a signal."""
    lines = (b"".join(exact_json.dumps(signal_view(row)) + b"\n" for row in rows) for rows in found)
    return _with_failure_line(lines, exact_json.dumps({"error": FAILURE}) + b"\n")


def _csv(found: Pages) -> Iterator[bytes]:
    yield ",".join(COLUMNS).encode() + b"\r\n"
    for rows in found:
        text = io.StringIO()
        csv.writer(text).writerows(map(_fields, rows))
        yield text.getvalue().encode()


def _with_failure_line(chunks: Iterator[bytes], line: bytes) -> Iterator[bytes]:
    """The chunks, and when they fail `line` as the last, which no reader can take for a signal.

    The web server ends a response that failed like one that is whole.
    """
    try:
        yield from chunks
    except Exception:
        log.exception("export_failed")
        yield line


def _following(read: Read, rows: Sequence[Row[Any]], size: int) -> Iterator[Sequence[Row[Any]]]:
    while len(rows) == size:
        rows = read(rows[-1].id, size)
        yield rows


def _fields(row: Row[Any]) -> tuple[str, ...]:
    return (
        str(row.id),
        row.producer_id,
        row.external_id or "",
        row.instrument,
        row.side,
        format(row.price, "f"),
        rfc3339(row.time),
        row.version,
        row.status,
        "true" if row.signed else "false",
        rfc3339(row.received_at),
        row.payload,
    )
