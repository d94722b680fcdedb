"""Migrates the database when it has to be. The check takes milliseconds, the migration command two seconds."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from typing import Final

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from app.shared.db import Database
from config import Settings
from launcher import terminal
from launcher.places import ROOT, VENV
from launcher.refusal import Refusal

MIGRATIONS: Final = ROOT / "migrations"
UPGRADE: Final = ("flask", "--app", "wsgi", "db", "upgrade")


def upgrade(settings: Settings, variables: Mapping[str, str]) -> None:
    """Run the migrations that are missing. Raises Refusal when the database does not answer or a migration fails."""
    if _current_heads(settings) == set(ScriptDirectory(str(MIGRATIONS)).get_heads()):
        return
    terminal.progress("migrating the database")
    command = [str(VENV / "bin" / UPGRADE[0]), *UPGRADE[1:]]
    done = subprocess.run(command, cwd=ROOT, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"the database could not be migrated: {last_error(done.stderr)}")


def last_error(output: str) -> str:
    """The error in a command's output: the exception's line after a traceback, otherwise the last line."""
    lines = [line for line in output.splitlines() if line.strip()]
    traceback = max((row for row, line in enumerate(lines) if line.startswith("Traceback")), default=None)
    if traceback is not None:
        return next((line for line in lines[traceback + 1 :] if not line[0].isspace()), lines[-1])
    return lines[-1] if lines else "no reason given"


def _current_heads(settings: Settings) -> set[str]:
    """The current revisions of the database; empty when it is new."""
    database = Database(settings.sqlalchemy_url, timeout_seconds=settings.database_timeout_seconds)
    try:
        with database.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise Refusal(f"DATABASE_URL: cannot connect to the database: {reason}") from error
    finally:
        database.dispose()
