"""Hooks created by the command line, in a service whose settings a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.factory import create_app
from app.hooks.commands import hooks
from app.resources import Resources
from config import Settings

BODY = {"ticker": "FX:EURUSD", "action": "buy", "close": "1.0712", "timenow": "2026-03-02T12:00:00Z"}


@dataclass(frozen=True)
class Hooked:
    """A service, and one hook in it."""

    app: Flask
    path: str

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def send(self, path: str | None = None, **options: Any) -> TestResponse:
        """Post what TradingView sends, or the given body."""
        return self.client.post(
            path or self.path, **(options if "data" in options or "json" in options else {"json": BODY, **options})
        )


def make_hook(app: Flask, *options: str) -> str:
    made = app.test_cli_runner().invoke(hooks, ["create", "--producer", "tv", *options])
    assert made.exit_code == 0, made.stderr
    return str(made.stdout).strip()


@pytest.fixture
def hooked(settings: Settings) -> Iterator[Callable[..., Hooked]]:
    """Services with these settings, and a hook created with these options."""
    with ExitStack() as stack:

        def start(*options: str, **changes: Any) -> Hooked:
            resources = Resources.build(replace(settings, **changes))
            stack.callback(resources.close)
            app = create_app(resources=resources)
            return Hooked(app, make_hook(app, *options))

        yield start
