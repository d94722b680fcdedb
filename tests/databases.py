"""Migrates the databases of the tests, without a Flask application."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from app.shared.db import Database
from config import ROOT


def alembic(connection: Connection) -> Config:
    """The configuration with which Alembic's commands run on this connection, inside its transaction."""
    settings = Config(ROOT / "migrations" / "alembic.ini")
    settings.attributes["connection"] = connection
    return settings


def migrate(database: Database) -> None:
    """Migrate a database to the newest revision."""
    with database.engine.begin() as connection:
        command.upgrade(alembic(connection), "head")
