"""The address of a client behind proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from app.web.security.client_address import nearest_untrusted
from config import Settings


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("203.0.113.9", "", [], "203.0.113.9"),
        ("203.0.113.9", "10.0.0.1", [], "203.0.113.9"),
        ("203.0.113.9", "10.0.0.1", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "52.0.0.1, 203.0.113.9", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", ["10.0.0.0/8"], "203.0.113.9"),
        ("10.0.0.1", "10.0.0.3,,10.0.0.2", ["10.0.0.0/8"], "10.0.0.3"),
        ("10.0.0.1", "", ["10.0.0.0/8"], "10.0.0.1"),
        ("::ffff:203.0.113.9", "", [], "203.0.113.9"),
        ("::1", "2001:db8::1", ["::1"], "2001:db8::1"),
    ],
)
def test_the_first_address_that_is_no_trusted_proxy_counts(peer, forwarded, trusted, expected):
    proxies = [ip_network(text) for text in trusted]
    assert nearest_untrusted(peer, forwarded, proxies) == ip_address(expected)


@pytest.mark.parametrize(("peer", "forwarded"), [("", ""), ("", "203.0.113.9"), ("10.0.0.1", "203.0.113.9, unknown")])
def test_an_invalid_address_has_no_client(peer, forwarded):
    assert nearest_untrusted(peer, forwarded, [ip_network("10.0.0.0/8")]) is None


@pytest.mark.parametrize(
    ("proxies", "wrong"), [(("10.0.0.0/8", "::1"), False), (("10.0.0.1/8",), True), (("proxy",), True)]
)
def test_only_networks_can_be_trusted(proxies, wrong):
    assert ("TRUSTED_PROXIES" in Settings(trusted_proxies=proxies).problems()) is wrong
