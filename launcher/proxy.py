"""The reverse proxy of ./run --domain: Caddy with the Caddyfile that the containers use. Its settings and ports."""

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
    """The environment of the proxy, and the web server's TRUSTED_PROXIES. The caller's own values come first.

    Raises Refusal when no API_KEYS are set, or when a port cannot be used.
    """
    if not (inherited.get("API_KEYS") or inherited.get("API_KEYS_FILE")):
        raise Refusal(
            f"--domain {name} opens the API to the internet, and without API_KEYS anybody could use it. Start with a"
            f" key, for example this new random one: API_KEYS=me:{secrets.token_urlsafe(32)} ./run --domain {name}"
        )
    chosen = {
        "DOMAIN": name,
        # Relative to the checkout: the path of a Unix socket is limited to about 100 bytes.
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
    return all(ports.accepts_connections(ports.LOOPBACK, int(plan[key])) for key in PORTS)


def address(plan: Mapping[str, str]) -> str:
    """The public address of the API."""
    port = plan["PROXY_HTTPS_PORT"]
    return f"https://{plan['DOMAIN']}" + ("" if port == "443" else f":{port}")


def advice(name: str) -> str:
    """What the user has to do before clients can connect."""
    if name == LOCAL_NAME:
        root = PROXY / "caddy" / "pki" / "authorities" / "local" / "root.crt"
        return f"the certificate is signed by a local authority, which clients have to trust: {root}"
    return (
        f"point {name} at this machine (DNS records A and AAAA) and open ports 80 and 443; the proxy then gets its"
        " certificate automatically (see var/log/proxy.log)"
    )


def _check_port(key: str, text: str) -> None:
    """Raises Refusal unless this user can listen on the port, on every interface."""
    if not text.isdigit() or not 0 < int(text) <= MAX_PORT:
        raise Refusal(f"{key}: {text!r} is not a port")
    port = int(text)
    if ports.accepts_connections(ports.LOOPBACK, port):
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
    return f"port {port} is in use: --domain needs it. Stop the program that uses it, often another web server"
