"""Alembic's entry: runs on the engine of the application that `flask db` loaded."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import Connection

from app.access import models as access
from app.charts import models as charts
from app.events import models as events
from app.hooks import models as hooks
from app.market import models as market
from app.payloads import models as payloads
from app.resources import Resources
from app.shared import leases
from app.shared.db import Base, Database
from app.signals import models as signals

MAX_SECONDS = 3600
# Imported for what they put into the metadata.
TABLES = (access, charts, events, hooks, leases, market, payloads, signals)


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        # SQLite cannot alter a table: Alembic copies it instead.
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=connection.dialect.name != "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


def run() -> None:
    """Migrate inside one transaction. Writing SQL without a database (`--sql`) is not offered."""
    if context.is_offline_mode():
        raise SystemExit("migrations need a database: leave out --sql")
    given = context.config.attributes.get("connection")
    if given is not None:
        _migrate(given)
        return
    resources: Resources = current_app.extensions["signalbox"]
    # The limits of a request are none for a migration of a large table.
    database = Database(resources.settings.sqlalchemy_url, timeout_seconds=MAX_SECONDS)
    with database.engine.begin() as connection:
        _migrate(connection)
    database.dispose()


run()
