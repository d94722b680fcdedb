"""The application of one checkout in one process, for benchmarks/ingest_pairs.py. Called by WSGI, without a web server.

Reads lines "KIND REQUESTS" from standard input. For each it writes a line with the processor time in milliseconds that
the process used for these requests. It imports nothing of the benchmarks: `app` is that of the checkout.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle
from typing import Any, Final

from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from app import server

PATH: Final = "/api/v1/signals"
BATCH: Final = 100
DUPLICATES: Final = 50
INSTRUMENTS: Final = 50
FIRST_TIME: Final = 946_684_800_000
INTERVAL_MS: Final = 300_000

numbers = count(1)


def a_signal() -> dict[str, Any]:
    """A new signal by both rules: a unique external_id, and five minutes after the last signal of its instrument."""
    number = next(numbers)
    return {
        "instrument": f"STOCK{number % INSTRUMENTS}",
        "side": "buy" if number % 2 else "sell",
        "price": "187.20",
        "time": FIRST_TIME + number // INSTRUMENTS * INTERVAL_MS,
        "external_id": f"order-{number}",
        "payload": {"stop_loss": 180.5, "take_profit": [195, 201.5], "timeframe": "1d", "strategy": "breakout"},
    }


def call(method: str, path: str, body: bytes) -> tuple[int, Headers]:
    """Status and headers of the response. Its body is read to the end."""
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if body:
        environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body))}
    response = Response.from_app(application, environ)
    response.get_data()
    return response.status_code, response.headers


def expect(status: int, method: str, path: str) -> Callable[[bytes], None]:
    """Sends a body and checks the status of the response."""

    def send(body: bytes) -> None:
        actual, _ = call(method, path, body)
        if actual != status:
            raise SystemExit(f"{method} {path}: {actual} instead of {status}")

    return send


def encoded(document: Any) -> bytes:
    return json.dumps(document).encode()


def kinds() -> dict[str, tuple[Callable[[bytes], None], Iterator[bytes]]]:
    """For each kind of request what sends one, and its bodies."""
    stored = [encoded(a_signal()) for _ in range(DUPLICATES)]
    *_, location = [call("POST", PATH, body)[1]["Location"] for body in stored]
    return {
        "singles": (expect(201, "POST", PATH), (encoded(a_signal()) for _ in count())),
        "duplicates": (expect(409, "POST", PATH), cycle(stored)),
        "batches": (
            expect(201, "POST", f"{PATH}/batch"),
            (encoded({"signals": [a_signal() for _ in range(BATCH)]}) for _ in count()),
        ),
        "reads": (expect(200, "GET", location), cycle([b""])),
    }


def main(threads: int) -> None:
    requests = kinds()
    with ThreadPoolExecutor(threads) as pool:
        for line in sys.stdin:
            kind, number = line.split()
            send, bodies = requests[kind]
            prepared = [next(bodies) for _ in range(int(number))]
            before = time.process_time()
            list(pool.map(send, prepared))
            sys.stdout.write(f"{(time.process_time() - before) * 1000}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    application = server.application().wsgi_app
    main(int(sys.argv[1]))
