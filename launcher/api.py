"""A caller of the service on this machine, as small as it can be: what ./run does, it does over real HTTP."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from config import Settings
from launcher.ports import LOOPBACK

TIMEOUT_SECONDS: Final = 10.0
EVERY_INTERFACE: Final = ("0.0.0.0", "::", "[::]")  # noqa: S104 - recognised, not bound


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object the answer carries; empty when it carries something else."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def __str__(self) -> str:
        problem = self.document()
        told = problem.get("detail") or problem.get("title") or self.body[:200].decode(errors="replace")
        return f"{self.status} {told}"


@dataclass(frozen=True)
class Api:
    """The service at an address. `token` is one of API_KEYS, when there are any."""

    port: int
    host: str = LOOPBACK
    token: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Api:
        """The service with these settings, as it is reached from the machine it runs on."""
        host = LOOPBACK if settings.web_host in EVERY_INTERFACE else settings.web_host
        return cls(settings.port, host, settings.api_keys[0].partition(":")[2] if settings.api_keys else "")

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> Answer:
        """Raises OSError when nothing answers."""
        return self._ask("GET", path, b"", {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return self._ask("POST", path, body, {"Content-Type": "application/json", **headers})

    def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **headers}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()


def signed(key: str, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of a Standard Webhooks signature: HMAC-SHA256 over id, timestamp and body."""
    digest = hmac.new(key.encode(), f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
