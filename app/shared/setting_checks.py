"""Checks of settings for `config`. Each returns a description of what is needed, or None where the value is right.

Nothing here opens a connection.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from app.shared import failpoints, signatures

MAX_PORT: Final = 65_535

_DATABASE: Final = "a postgresql:// or sqlite:/// URL"
_REDIS: Final = "a redis://, rediss:// or unix:// URL"
_REDIS_DATABASE: Final = re.compile(r"/?|/[0-9]{1,5}")
_REDIS_PARAMETERS: Final[dict[str, re.Pattern[str]]] = {"db": re.compile("[0-9]{1,5}"), "protocol": re.compile("[23]")}
_TLS_PARAMETERS: Final[dict[str, re.Pattern[str]]] = {
    "ssl_cert_reqs": re.compile("none|optional|required"),
    **dict.fromkeys(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), re.compile("[^\0]+")),
}
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")
_DOTTED_NUMBERS: Final = re.compile(r"[0-9.]+")


def text(value: str) -> str | None:
    """A text that a database, a header and a file name can hold."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return "text in UTF-8"
    return None if value.isprintable() else "text without control characters or line breaks"


def database_url(url: str) -> str | None:
    """A URL of PostgreSQL with psycopg, or of an SQLite file; `postgres://` must be rewritten before."""
    if not url.startswith(("postgresql+psycopg://", "sqlite:///")):
        return _DATABASE
    try:
        parsed = make_url(url)
        # Parameters of the driver that cannot be read are found here.
        parsed.get_dialect()().create_connect_args(parsed)
    except (ArgumentError, ValueError, TypeError):
        # The library's own words may repeat a password.
        return f"{_DATABASE}, with a numeric port and parameters that the driver knows"
    if parsed.port is not None and not 0 < parsed.port <= MAX_PORT:
        return f"{_DATABASE} with a port up to {MAX_PORT}"
    return _sqlite_file(parsed) if parsed.get_backend_name() == "sqlite" else None


def _sqlite_file(url: URL) -> str | None:
    name = url.database or ""
    if name in ("", ":memory:") or name.startswith("file:"):
        return "sqlite:///PATH of a file: a database in memory is another one for each connection"
    return "sqlite:///PATH of a file" if name.endswith("/") else None


def redis_url(url: str) -> str | None:
    """A URL that both redis-py and kombu read, with no more parameters than both leave alone.

    Checked without redis-py: services load the settings, and no client.
    """
    try:
        parts = urlsplit(url)
        parameters = parse_qs(parts.query, keep_blank_values=True)
        port = parts.port
    except ValueError:
        return _REDIS
    if parts.scheme not in ("redis", "rediss", "unix"):
        return _REDIS
    if port == 0 or (parts.scheme != "unix" and not _REDIS_DATABASE.fullmatch(parts.path)):
        return f"{_REDIS} that ends in the number of a database, or in none"
    if parts.scheme == "unix" and not parts.path.strip("/"):
        return f"{_REDIS}: unix:///PATH of a socket"
    allowed = _REDIS_PARAMETERS | (_TLS_PARAMETERS if parts.scheme == "rediss" else {})
    for name, values in parameters.items():
        if name not in allowed or not all(map(allowed[name].fullmatch, values)):
            return f"{_REDIS}, of whose parameters these are read: {', '.join(allowed)}"
    return None


def networks(texts: Iterable[str]) -> str | None:
    """Addresses or networks."""
    try:
        list(map(ip_network, texts))
    except ValueError:
        return "addresses or networks such as 10.0.0.0/8"
    return None


def cover_everything(texts: Iterable[str]) -> bool:
    """Whether all addresses of IPv4 or of IPv6 are in these networks, each of which is one."""
    parsed = [ip_network(each) for each in texts]
    ipv4 = collapse_addresses([network for network in parsed if isinstance(network, IPv4Network)])
    ipv6 = collapse_addresses([network for network in parsed if isinstance(network, IPv6Network)])
    prefixes = [*(network.prefixlen for network in ipv4), *(network.prefixlen for network in ipv6)]
    return 0 in prefixes


def host(name: str) -> str | None:
    """An address or a host's name, to bind to."""
    try:
        ip_address(name)
    except ValueError:
        if not _HOST_NAME.fullmatch(name) or _DOTTED_NUMBERS.fullmatch(name):
            return "an address such as 127.0.0.1, or a host's name"
    return None


def folder(path: Path) -> str | None:
    """A folder, or a place where one can be made."""
    try:
        present = next((each for each in (path, *path.parents) if each.exists()), None)
        if present is None or present.is_dir():
            return None
    except OSError as error:
        return f"a folder: {error.strerror}"
    return f"a folder: {present} is a file"


def signing_keys(keys: Iterable[str]) -> str | None:
    """Keys to sign with: what follows `whsec_` is base64."""
    try:
        for key in keys:
            signatures.key_bytes(key)
    except ValueError as error:
        return str(error)
    return None


def failpoint(name: str) -> str | None:
    """A point that processes of this release have, in the form that `failpoints.arm` reads."""
    return None if failpoints.is_known(name) else f"one of {', '.join(failpoints.NAMES)}"
