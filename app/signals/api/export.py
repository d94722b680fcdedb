"""Exports of any number of signals. Each page is written before the next is read, so memory does not grow."""

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

PAGE_SIZE: Final = 1_000
FAILURE: Final = "the export failed here and is incomplete; send the request again"

log = logs.get_logger(__name__)

Pages = Iterable[Sequence[Row[Any]]]
Read = Callable[[UUID | None, int], Sequence[Row[Any]]]
"""Reads up to that many rows, newest first, from after the signal with this id, or from the newest signal."""

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


def read_pages(read: Read, *, size: int = PAGE_SIZE) -> Iterator[Sequence[Row[Any]]]:
    """The rows of all signals, newest first, each page in a transaction of its own.

    Signals received after the first page was read are not included. The call itself reads the first page, so a
    database error is raised before the response has begun.
    """
    first = read(None, size)
    return chain([first], _following(read, first, size))


def as_csv(pages: Pages) -> Iterator[bytes]:
    """RFC 4180 with a header, UTF-8; the payload is JSON text."""
    return _with_failure_line(_csv(pages), f'"{FAILURE}"\r\n'.encode())


def as_ndjson(pages: Pages) -> Iterator[bytes]:
    """One JSON object on each line, as SignalSchema describes it."""
    lines = (b"".join(exact_json.dumps(signal_view(row)) + b"\n" for row in rows) for rows in pages)
    return _with_failure_line(lines, exact_json.dumps({"error": FAILURE}) + b"\n")


def _csv(pages: Pages) -> Iterator[bytes]:
    yield ",".join(COLUMNS).encode() + b"\r\n"
    for rows in pages:
        text = io.StringIO()
        csv.writer(text).writerows(map(_fields, rows))
        yield text.getvalue().encode()


def _with_failure_line(chunks: Iterator[bytes], line: bytes) -> Iterator[bytes]:
    """The chunks; if reading fails, `line` is the last of them, in a form that no parser takes for a signal.

    The web server ends an aborted response like a complete one.
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
