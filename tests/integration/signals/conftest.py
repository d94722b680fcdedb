"""A clock that tests advance, and the service with settings that a test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.factory import create_app
from app.resources import Resources
from config import Settings
from tests.processes import free_port

Serve = Callable[..., FlaskClient]


@dataclass
class StoppedClock:
    now: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def resources(resources: Resources, clock: StoppedClock) -> Resources:
    return replace(resources, clock=clock)


@pytest.fixture
def serve(settings: Settings, clock: StoppedClock) -> Iterator[Serve]:
    """Starts a service with changed settings on the same database, and returns its client."""
    with ExitStack() as stack:

        def start(**changes: Any) -> FlaskClient:
            built = replace(Resources.build(replace(settings, **changes)), clock=clock)
            stack.callback(built.close)
            return create_app(built.settings, built).test_client()

        yield start


@pytest.fixture
def nowhere() -> str:
    """The URL of a Redis where nothing listens."""
    return f"redis://127.0.0.1:{free_port()}/0"
