"""The migrations make just the tables that the models describe, on both databases, and can be taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from alembic import command

from app.shared.db import Database
from tests.databases import alembic


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url, timeout_seconds=60)
    yield opened
    opened.dispose()


def test_models_and_migrations_describe_the_same_tables(database):
    """Raises when a new migration would have anything to do."""
    with database.engine.begin() as connection:
        command.check(alembic(connection))


def test_every_migration_can_be_taken_back_and_made_again(database):
    with database.engine.begin() as connection:
        command.downgrade(alembic(connection), "base")
        assert sa.inspect(connection).get_table_names() == ["alembic_version"]
        command.upgrade(alembic(connection), "head")
        command.check(alembic(connection))
