"""A small HTTP client of the service. ./run uses the API as any client does."""

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
class Response:
    """Status and body of an HTTP response."""

    status: int
    body: bytes

    def document(self) -> dict[str, Any]:
        """The JSON object in the body; empty when the body is anything else."""
        try:
            parsed = json.loads(self.body)
        except ValueError:
            return {}
        return parsed if isinstance(parsed, dict) else {}

    def __str__(self) -> str:
        problem = self.document()
        text = problem.get("detail") or problem.get("title") or self.body[:200].decode(errors="replace")
        return f"{self.status} {text}"


@dataclass(frozen=True)
class ApiClient:
    """The service at an address. `token` is one of API_KEYS, or empty where none are set."""

    port: int
    host: str = LOOPBACK
    token: str = ""

    @classmethod
    def of(cls, settings: Settings) -> ApiClient:
        """The service with these settings, at an address for clients on the same machine."""
        host = LOOPBACK if settings.web_host in EVERY_INTERFACE else settings.web_host
        return cls(settings.port, host, settings.api_keys[0].partition(":")[2] if settings.api_keys else "")

    @property
    def address(self) -> str:
        return f"http://{self.host}:{self.port}"

    def get(self, path: str) -> Response:
        """Raises OSError when the service cannot be reached."""
        return self._send("GET", path, b"", {})

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        return self._send("POST", path, body, {"Content-Type": "application/json", **headers})

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Response:
        if self.token:
            headers = {"Authorization": f"Bearer {self.token}", **headers}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return Response(response.status, response.read())
        except http.client.HTTPException as error:
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        finally:
            connection.close()


def sign(key: str, message_id: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of a Standard Webhooks signature: HMAC-SHA256 over id, timestamp and body."""
    digest = hmac.new(key.encode(), f"{message_id}.{seconds}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
