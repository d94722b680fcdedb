"""The options of ./run. This module needs the standard library alone: --help works before anything is installed."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Final

ABOUT = """\
Starts Signalbox on this machine: its database (SQLite, under var/), Redis, web server, worker and beat. Imports the
sample bars, posts one signal, waits for its chart, and prints all addresses and files. Ctrl-C stops everything.
"""

MORE = """\
Settings come from environment variables (docs/operations.md lists them). The most useful here:
  DATABASE_URL  use this database instead of SQLite under var/
  REDIS_URL     use this Redis (7.0 or newer) instead of starting one
  PORT          the web server's port; default 8000, or a free one if 8000 is in use
  API_KEYS      name:token pairs that may call the API; --domain needs at least one

Data is kept in var/ and media/. Exit status: 0 when you stopped it or when --once has its chart, otherwise not 0.
"""

LABEL: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
MAX_NAME: Final = 253


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run",
        description=ABOUT,
        epilog=MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--once", action="store_true", help="stop as soon as the signal's chart is drawn and checked")
    parser.add_argument("--verbose", action="store_true", help="show the logs of all processes here as well")
    parser.add_argument(
        "--domain",
        metavar="NAME",
        type=host_name,
        help="serve this host name to the internet on ports 80 and 443, with an automatic certificate",
    )
    return parser.parse_args(words)


def host_name(text: str) -> str:
    """The name in lower case. Raises ArgumentTypeError unless a certificate can be issued for it (RFC 1123)."""
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > MAX_NAME or not all(map(LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a host name such as signals.example.com")
    if len(labels) == 1 and name != "localhost":
        raise argparse.ArgumentTypeError(
            f"{text!r} has no domain: a certificate needs a name such as {name}.example.com"
        )
    return name


if __name__ == "__main__":
    parse(sys.argv[1:])
