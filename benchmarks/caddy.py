"""Command and environment of Caddy in front of a server on loopback, for benchmarks and tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from config import ROOT

CADDY: Final = Path(sys.executable).with_name("caddy")
CADDYFILE: Final = ROOT / "ops" / "caddy" / "Caddyfile"


def command() -> list[str]:
    """The program and its arguments. It runs until it gets SIGTERM."""
    return [str(CADDY), "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"]


def environment(upstream: str, folder: Path, *, port: int, http_port: int, https_port: int) -> dict[str, str]:
    """Caddy's environment variables for a site of plain HTTP on `port`, for any host name.

    `upstream` is host:port of the server behind it. The site that redirects listens on `http_port`. Caddy keeps its
    files in `folder`.
    """
    return {
        "PATH": os.environ["PATH"],
        "XDG_CONFIG_HOME": str(folder / "caddy"),
        "XDG_DATA_HOME": str(folder / "caddy"),
        "DOMAIN": f"http://:{port}",
        "PROXY_HTTP_PORT": str(http_port),
        "PROXY_HTTPS_PORT": str(https_port),
        "PROXY_UPSTREAM": upstream,
        "PROXY_SOCKET": str(folder / "proxy.sock"),
    }
