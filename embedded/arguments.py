"""The options of ./run. Apart from the rest, so that --help works before anything is installed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

ABOUT = """\
Starts Signalbox on this machine: its database (SQLite, under var/), Redis, web server, worker and beat. Imports the
sample bars, posts one signal, waits for its chart, and prints where everything is. Ctrl-C ends it all.
"""

MORE = """\
Settings come from environment variables (docs/operations.md lists them). Those that matter most here:
  DATABASE_URL  use this database instead of SQLite under var/
  REDIS_URL     use this Redis (7.0 or newer) instead of starting one
  PORT          the web server's port; without it 8000, or a free one

Data is kept in var/ and media/. Exit status: 0 when stopped by you or when --once has its chart, otherwise another.
"""


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./run", description=ABOUT, epilog=MORE, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--once", action="store_true", help="stop as soon as the signal's chart is drawn and checked")
    parser.add_argument("--verbose", action="store_true", help="show the logs of all processes here as well")
    return parser.parse_args(words)


if __name__ == "__main__":
    parse(sys.argv[1:])
