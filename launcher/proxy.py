"""The reverse proxy of ./run --domain: Caddy with the Caddyfile of the containers, its settings and its ports."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from typing import Final

from launcher import ports
from launcher.places import CADDYFILE, PROXY, ROOT, VAR
from launcher.refusal import Refusal

COMMAND: Final = f"exec caddy run --config {CADDYFILE.relative_to(ROOT)} --adapter caddyfile"
PORTS: Final = {"PROXY_HTTP_PORT": 80, "PROXY_HTTPS_PORT": 443}
LOOPBACK_NETWORKS: Final = "127.0.0.1/32,::1/128"
LOCAL_NAME: Final = "localhost"
MAX_PORT: Final = 65_535


def variables(name: str, web_port: str, inherited: Mapping[str, str]) -> dict[str, str]:
    """The environment of the proxy, and the web server's TRUSTED_PROXIES. What the caller set wins.

    Raises Refusal when the API would be open to everybody, or when a port cannot be had.
    """
    if not (inherited.get("API_KEYS") or inherited.get("API_KEYS_FILE")):
        raise Refusal(
            f"--domain {name} opens the API to the internet, and without API_KEYS anybody could use it. Start with a"
            f" key. This one was made just now: API_KEYS=me:{secrets.token_urlsafe(32)} ./run --domain {name}"
        )
    chosen = {
        "DOMAIN": name,
        # Relative to the checkout: the path of a socket may have some hundred bytes.
        "PROXY_SOCKET": str((VAR / "proxy.sock").relative_to(ROOT)),
        "PROXY_UPSTREAM": f"{ports.LOOPBACK}:{web_port}",
        "PROXY_GRACE_PERIOD": "5s",
        "XDG_DATA_HOME": str(PROXY),
        "XDG_CONFIG_HOME": str(PROXY),
    }
    defaults = {"TRUSTED_PROXIES": LOOPBACK_NETWORKS, **{key: str(port) for key, port in PORTS.items()}}
    chosen |= {key: inherited.get(key) or value for key, value in defaults.items()}
    if inherited.get("TRUSTED_PROXIES_FILE"):
        del chosen["TRUSTED_PROXIES"]
    for key in PORTS:
        _check_port(key, chosen[key])
    return chosen


def listens(plan: Mapping[str, str]) -> bool:
    """Whether the proxy accepts connections on both of its ports."""
    return all(ports.answers(ports.LOOPBACK, int(plan[key])) for key in PORTS)


def address(plan: Mapping[str, str]) -> str:
    """Where clients reach the API."""
    port = plan["PROXY_HTTPS_PORT"]
    return f"https://{plan['DOMAIN']}" + ("" if port == "443" else f":{port}")


def advice(name: str) -> str:
    """What is left to do until a client can connect."""
    if name == LOCAL_NAME:
        root = PROXY / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        return f"the certificate is of an authority of this machine's own: {root}"
    return (
        f"point {name} at this machine (DNS records A and AAAA) and let ports 80 and 443 through; the certificate then"
        " comes by itself, and var/log/proxy.log says so"
    )


def _check_port(key: str, text: str) -> None:
    """Raises Refusal unless a server of this user could listen on the port, on every interface."""
    if not text.isdigit() or not 0 < int(text) <= MAX_PORT:
        raise Refusal(f"{key}: {text!r} is no port")
    port = int(text)
    if ports.answers(ports.LOOPBACK, port):
        raise Refusal(_in_use(port))
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except PermissionError:
            raise Refusal(
                f"port {port}: this user may not listen there. Allow it with: sudo sysctl -w"
                f" net.ipv4.ip_unprivileged_port_start={min(PORTS.values())}. Or set PROXY_HTTP_PORT and"
                " PROXY_HTTPS_PORT to ports that a firewall forwards 80 and 443 to"
            ) from None
        except OSError:
            raise Refusal(_in_use(port)) from None


def _in_use(port: int) -> str:
    return f"port {port} is in use: --domain needs it. End what listens there, which often is another web server"
