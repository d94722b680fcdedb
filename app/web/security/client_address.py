"""Where a request comes from: the peer's address, or what a trusted proxy says of the one before it."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from flask import request

FORWARDED_HEADER: Final = "X-Forwarded-For"


def client_address(trusted_proxies: Iterable[str]) -> IPv4Address | IPv6Address | None:
    """The address the request was sent from; None where it is not known, as behind a socket file."""
    return nearest_untrusted(
        request.remote_addr or "",
        request.headers.get(FORWARDED_HEADER, ""),
        [ip_network(text) for text in trusted_proxies],
    )


def nearest_untrusted(
    peer: str, forwarded: str, trusted: Iterable[IPv4Network | IPv6Network]
) -> IPv4Address | IPv6Address | None:
    """The first address that is no trusted proxy, going back from the peer through the header's addresses.

    Whoever is not trusted may have written anything before their own address, so nothing before it counts.
    """
    proxies = list(trusted)
    before = [text.strip() for text in forwarded.split(",") if text.strip()]
    address = _parsed(peer)
    while before and address is not None and any(address in proxy for proxy in proxies):
        address = _parsed(before.pop())
    return address


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
