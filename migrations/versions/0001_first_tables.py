"""Signals, bars, charts, events, leases

Revision: 0001
After: nothing
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
EXACT = sa.Numeric().with_variant(sa.String(64), "sqlite")


def partial(condition: str) -> dict[str, sa.TextClause]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    op.create_table(
        "bars",
        sa.Column("instrument", sa.String(32), nullable=False),
        sa.Column("timeframe", sa.String(4), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("open", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("close", sa.Float(53), nullable=False),
        sa.Column("volume", sa.Float(53)),
        sa.PrimaryKeyConstraint("instrument", "timeframe", "time", name="pk_bars"),
    )
    op.create_table(
        "signals",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("producer_id", sa.String(64), nullable=False),
        sa.Column("external_id", sa.String(128)),
        sa.Column("instrument", sa.String(32), nullable=False),
        sa.Column("side", sa.String(4), nullable=False),
        sa.Column("price", EXACT, nullable=False),
        sa.Column("time", MOMENT, nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("signed", sa.Boolean(), nullable=False),
        sa.Column("dedup_key", sa.String(64), nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signals"),
        sa.UniqueConstraint("producer_id", "external_id", name="uq_signals_producer_id_external_id"),
    )
    op.create_index("ix_signals_window", "signals", ["dedup_key", "time"])
    op.create_index("ix_signals_instrument", "signals", ["instrument", "id"])
    op.create_index("ix_signals_producer", "signals", ["producer_id", "id"])
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("happened_at", MOMENT, nullable=False),
        sa.Column("dispatched_at", MOMENT),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_undispatched", "events", ["id"], **partial("dispatched_at IS NULL"))
    op.create_index("ix_events_dispatched_at", "events", ["dispatched_at"])
    op.create_table(
        "charts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(64), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("format", sa.String(4), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("lease_token", sa.Uuid()),
        sa.Column("lease_until", MOMENT),
        sa.Column("error", sa.Text()),
        sa.Column("path", sa.String(255)),
        sa.Column("etag", sa.String(64)),
        sa.Column("bytes", sa.Integer()),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("alt", sa.Text(), nullable=False),
        sa.Column("degraded", sa.Boolean(), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("ready_at", MOMENT),
        sa.Column("expires_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_charts"),
    )
    op.create_index("ix_charts_due", "charts", ["due_at"], **partial("due_at IS NOT NULL"))
    op.create_index("ix_charts_status", "charts", ["status", "created_at"])
    op.create_index("ix_charts_expires_at", "charts", ["expires_at"])
    op.create_table(
        "signal_charts",
        sa.Column("signal_id", sa.Uuid(), nullable=False),
        sa.Column("chart_id", sa.String(32), nullable=False),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.id"], name="fk_signal_charts_signal_id_signals"),
        sa.ForeignKeyConstraint(["chart_id"], ["charts.id"], name="fk_signal_charts_chart_id_charts"),
        sa.PrimaryKeyConstraint("signal_id", name="pk_signal_charts"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def downgrade() -> None:
    for table in ("leases", "signal_charts", "charts", "events", "signals", "bars"):
        op.drop_table(table)
