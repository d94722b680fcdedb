"""An application without database and Redis, for tests that need a request but no server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.factory import create_app
from app.resources import Resources
from config import Settings


@pytest.fixture
def unconnected(tmp_path: Path) -> Iterator[Flask]:
    resources = Resources.build(Settings(database_url=f"sqlite:///{tmp_path}/none.db", media_dir=tmp_path))
    yield create_app(resources=resources)
    resources.close()
