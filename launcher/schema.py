"""Whether the database has the tables of this release: asked here, since the upgrade itself takes two seconds."""

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


def bring_up_to_date(settings: Settings, variables: Mapping[str, str]) -> None:
    """Run the migrations that are missing. Raises Refusal when the database does not answer or a migration fails."""
    if _present(settings) == set(ScriptDirectory(str(MIGRATIONS)).get_heads()):
        return
    terminal.progress("bringing the database up to date")
    command = [str(VENV / "bin" / UPGRADE[0]), *UPGRADE[1:]]
    done = subprocess.run(command, cwd=ROOT, env=dict(variables), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refusal(f"the database could not be brought up to date: {last_error(done.stderr)}")


def last_error(output: str) -> str:
    """The error in a command's last words: after a traceback the line that names it, otherwise the last line."""
    lines = [line for line in output.splitlines() if line.strip()]
    traceback = max((row for row, line in enumerate(lines) if line.startswith("Traceback")), default=None)
    if traceback is not None:
        return next((line for line in lines[traceback + 1 :] if not line[0].isspace()), lines[-1])
    return lines[-1] if lines else "no reason given"


def _present(settings: Settings) -> set[str]:
    """The revisions the database is at; none when it is new."""
    database = Database(settings.sqlalchemy_url, timeout_seconds=settings.database_timeout_seconds)
    try:
        with database.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise Refusal(f"DATABASE_URL: the database does not answer: {reason}") from error
    finally:
        database.dispose()
