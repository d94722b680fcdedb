"""The environment variables of the servers: those that the caller set, and defaults that work on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from launcher import ports, proxy
from launcher.places import METRICS, VAR, VENV
from launcher.refusal import Refusal

WEB_PORT: Final = 8000
REDIS_PORT: Final = 6390
METRICS_PORT: Final = 9808
REDIS_DEFAULT_PORT: Final = 6379
EVENTS: Final = "events"
SYSTEM_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
# One render uses one core. Charts are drawn in parallel by the worker's processes.
SINGLE_THREADED: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Plan:
    """What to start, its environment variables, and notes for the user."""

    variables: Mapping[str, str]
    starts_redis: bool
    notes: tuple[str, ...]
    domain: str | None = None

    def variables_of(self, name: str) -> dict[str, str]:
        """The environment of one process.

        Each web server or worker writes its metrics to a folder of its own, which one metrics server reads. The two
        workers share a folder and its server.
        """
        if name == EVENTS:
            return {**self.variables_of("worker"), "WORKER_METRICS_PORT": "0"}
        return {**self.variables, "PROMETHEUS_MULTIPROC_DIR": str(METRICS / name)}


def inherit() -> dict[str, str]:
    return dict(os.environ)  # noqa: TID251 - handed to the servers, which read their own settings


def adopt(plan: Plan) -> None:
    """Set the plan's variables in this process too, so that it reads the same settings as the servers."""
    os.environ.update(plan.variables)  # noqa: TID251 - see above


def prepare(inherited: Mapping[str, str], domain: str | None = None) -> Plan:
    """Choose ports and addresses. Raises Refusal when a port that the caller set is in use."""
    variables = dict(inherited)
    notes: list[str] = []
    variables["PATH"] = f"{VENV / 'bin'}:{inherited.get('PATH') or SYSTEM_PATH}"
    variables["PYTHONUNBUFFERED"] = "1"
    for name in SINGLE_THREADED:
        variables.setdefault(name, "1")
    # matplotlib caches its list of fonts here. Without HOME it would make the list again at every start.
    variables.setdefault("MPLCONFIGDIR", str(VAR / "matplotlib"))
    variables["PROMETHEUS_MULTIPROC_DIR"] = str(METRICS / "commands")
    _choose_port(variables, "PORT", WEB_PORT, notes)
    _choose_port(variables, "WORKER_METRICS_PORT", METRICS_PORT, notes)
    starts_redis = not _is_set(inherited, "REDIS_URL")
    if starts_redis:
        port = _free(REDIS_PORT, "Redis", notes)
        variables["REDIS_URL"] = f"redis://{ports.LOOPBACK}:{port}/0"
    if domain is not None:
        variables |= proxy.variables(domain, variables["PORT"], inherited)
    return Plan(variables, starts_redis, tuple(notes), domain)


def check_redis(url: str) -> None:
    """Raises Refusal when the caller's own Redis does not accept connections: without it no chart would be drawn."""
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or REDIS_DEFAULT_PORT
    if host is not None and not ports.accepts_connections(host, port, seconds=2.0):
        raise Refusal(f"REDIS_URL: cannot connect to {host}:{port}")


def _choose_port(variables: dict[str, str], name: str, preferred: int, notes: list[str]) -> None:
    """Use the port that the caller set, or a free one. Raises Refusal when the caller's port is in use."""
    if not _is_set(variables, name):
        variables[name] = str(_free(preferred, name, notes))
    elif variables.get(name, "").isdigit() and int(variables[name]) and not ports.is_free(int(variables[name])):
        raise Refusal(f"{name}: port {variables[name]} is in use")


def _free(preferred: int, what: str, notes: list[str]) -> int:
    port = ports.free_port(preferred)
    if port != preferred:
        notes.append(f"{what}: port {preferred} is in use, using {port}")
    return port


def _is_set(variables: Mapping[str, str], name: str) -> bool:
    return bool(variables.get(name) or variables.get(f"{name}_FILE"))
