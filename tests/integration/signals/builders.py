"""Builders of valid signals; a test changes the fields it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.signals.domain import NewSignal

PATH = "/api/v1/signals"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
KEY = "a key of tests, long enough to be valid"


def a_signal(**changes: Any) -> dict[str, Any]:
    """A signal as a producer posts it. None leaves a field out."""
    fields = {"instrument": "AAPL", "side": "buy", "price": "187.20", **changes}
    return {name: value for name, value in fields.items() if value is not None}


def a_new_signal(**changes: Any) -> NewSignal:
    """A signal as the service accepts it."""
    return replace(NewSignal("desk-1", "AAPL", "buy", Decimal("187.20"), NOON), **changes)


def post(client: FlaskClient, *, producer: str = "desk-1", **changes: Any) -> TestResponse:
    return client.post(PATH, json=a_signal(**changes), headers={"X-Producer-Id": producer})
