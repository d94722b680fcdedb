"""The address of a client: the peer's, or the one that a trusted proxy names in X-Forwarded-For."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from flask import request

FORWARDED_HEADER: Final = "X-Forwarded-For"


def client_address(trusted_proxies: Iterable[str]) -> IPv4Address | IPv6Address | None:
    """The address of the client; None if it is not known, for example behind a Unix socket."""
    return nearest_untrusted(
        request.remote_addr or "",
        request.headers.get(FORWARDED_HEADER, ""),
        [ip_network(text) for text in trusted_proxies],
    )


def nearest_untrusted(
    peer: str, forwarded: str, trusted: Iterable[IPv4Network | IPv6Network]
) -> IPv4Address | IPv6Address | None:
    """The first address that is no trusted proxy, from the peer backwards through the addresses of the header.

    An untrusted client can write anything into the header, so addresses before its own are ignored.
    """
    proxies = list(trusted)
    addresses = [text.strip() for text in forwarded.split(",") if text.strip()]
    address = _parsed(peer)
    while addresses and address is not None and any(address in proxy for proxy in proxies):
        address = _parsed(addresses.pop())
    return address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
