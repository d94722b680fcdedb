"""A client that posts signals during faults and records each response on disk before it goes on."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

PATH = "/api/v1/signals"
CUT = 0
"""The status of a request without a complete response."""
FINAL = (201, 409)
TIMEOUT_SECONDS = 20.0
RETRY_SECONDS = 0.1


@dataclass(frozen=True)
class Entry:
    """One response. `id` is the signal that it names; `began` and `seconds` are of the monotonic clock."""

    key: str
    body_hash: str
    status: int
    id: str
    began: float
    seconds: float


class Ledger:
    """Entries in a file, each synced to disk before its writer goes on: the promises made to clients."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+")
        self._lock = threading.Lock()

    def write(self, entry: Entry) -> None:
        line = json.dumps(asdict(entry)) + "\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())

    def entries(self) -> list[Entry]:
        with self._lock:
            self._file.seek(0)
            return [Entry(**json.loads(line)) for line in self._file]

    def close(self) -> None:
        self._file.close()


def body_of(key: str) -> bytes:
    """The signal of a key. Each key has an instrument of its own, so no two keys are duplicates."""
    price = 1 + int(hashlib.sha256(key.encode()).hexdigest()[:6], 16) / 1_000
    signal = {"instrument": f"F-{key}"[:32], "side": "buy", "price": f"{price:.3f}", "external_id": key}
    return json.dumps(signal).encode()


class Connection:
    """A keep-alive connection, reopened after each cut."""

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(address)
        self._host, self._port = parts.hostname or "", parts.port
        self._timeout_seconds = timeout_seconds
        self._connection: http.client.HTTPConnection | None = None

    def post(self, path: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Status and document, or CUT and an empty document."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_seconds)
            self._connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            document = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            return CUT, {}
        return response.status, document

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Load:
    """Threads that post new keys, each key `copies` times, and repeat each request until its response is final."""

    ledger: Ledger
    addresses: list[str]
    threads: int = 8
    copies: int = 2
    pace_seconds: float = 0.02
    seed: int = 0
    closed: set[str] = field(default_factory=set)
    """Addresses to which a load balancer would send no requests now."""
    stopping: threading.Event = field(default_factory=threading.Event)
    give_up: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, max_keys: int | None = None) -> Iterator[None]:
        """Post while the block runs, then finish the keys in progress. `max_keys` limits the number of keys."""
        keys = self._keys(max_keys)
        lock = threading.Lock()

        def take() -> str | None:
            with lock:
                return next(keys, None)

        threads = [threading.Thread(target=self._work, args=(number, take)) for number in range(self.threads)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            if max_keys is None:
                self.stopping.set()
            for thread in threads:
                thread.join(60)
            self.give_up.set()
            for thread in threads:
                thread.join()

    def post(self, max_keys: int) -> None:
        """Post `max_keys` keys until each has its final response."""
        with self.running(max_keys):
            pass

    def _keys(self, limit: int | None) -> Iterator[str]:
        number = 0
        while not self.stopping.is_set() and (limit is None or number < limit):
            for _ in range(self.copies):
                yield f"k{self.seed % 10_000}-{number}"
            number += 1

    def _work(self, number: int, take: Callable[[], str | None]) -> None:
        chance = random.Random(f"{self.seed}/{number}")
        connections = {address: Connection(address) for address in self.addresses}
        while (key := take()) is not None:
            while not self.give_up.is_set():
                open_ones = [address for address in self.addresses if address not in self.closed]
                if self._once(connections[chance.choice(open_ones)], key) in FINAL:
                    break
                time.sleep(RETRY_SECONDS)
            time.sleep(chance.uniform(0, 2 * self.pace_seconds))
        for connection in connections.values():
            connection.close()

    def _once(self, connection: Connection, key: str) -> int:
        body = body_of(key)
        began = time.monotonic()
        status, document = connection.post(PATH, body)
        signal_id = document.get("id" if status == 201 else "existing_signal_id", "")
        self.ledger.write(
            Entry(key, hashlib.sha256(body).hexdigest(), status, str(signal_id or ""), began, time.monotonic() - began)
        )
        return status
