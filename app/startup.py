"""Checks before a server starts: database, migrations, Redis, metrics folder. A failure is one line, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from redis import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.shared import logs, metric_files
from app.shared.db import Database
from app.shared.redis_client import connect
from config import ROOT, Settings

MIGRATIONS: Final = ROOT / "migrations"
UPGRADE: Final = "flask --app wsgi db upgrade"

log = logs.get_logger(__name__)


def preflight(settings: Settings) -> None:
    """Check everything. Raises SystemExit with one line unless the database answers and has the newest migration.

    A Redis that does not answer and a metrics folder without room are logged: signals are accepted without them.
    """
    present = _revisions(settings)
    newest = set(ScriptDirectory(str(MIGRATIONS)).get_heads())
    if present != newest:
        state = "does not fit this release" if present else "has no tables"
        raise SystemExit(f"DATABASE_URL: the database {state}; run: {UPGRADE}")
    _check_redis(settings)
    metric_files.check()


def _revisions(settings: Settings) -> set[str]:
    try:
        with _database(settings) as database, database.engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads())
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise SystemExit(f"DATABASE_URL: the database does not answer: {reason}") from None


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.sqlalchemy_url, timeout_seconds=settings.database_timeout_seconds)
    try:
        yield database
    finally:
        database.dispose()


def _check_redis(settings: Settings) -> None:
    redis = connect(settings.redis_url, settings.redis_timeout_seconds)
    try:
        redis.ping()
    except RedisError as error:
        log.warning("redis_unavailable", setting="REDIS_URL", error=str(error), consequence="signals are stored slower")
    finally:
        redis.close()
