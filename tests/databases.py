"""Brings the tests' databases to a migration, without a Flask app."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from app.shared.db import Database
from config import ROOT


def alembic(connection: Connection) -> Config:
    """What Alembic's commands need to work on this connection, inside its transaction."""
    settings = Config(ROOT / "migrations" / "alembic.ini")
    settings.attributes["connection"] = connection
    return settings


def migrate(database: Database) -> None:
    """Bring a database to the newest migration."""
    with database.engine.begin() as connection:
        command.upgrade(alembic(connection), "head")
