"""Hooks, payload schemas, strict producers

Revision: 0002
After: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "hooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_digest", sa.String(64), nullable=False),
        sa.Column("producer_id", sa.String(64), nullable=False),
        sa.Column("field_map", sa.JSON(), nullable=False),
        sa.Column("strip_exchange", sa.Boolean(), nullable=False),
        sa.Column("allow_from", sa.JSON(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("revoked_at", MOMENT),
        sa.PrimaryKeyConstraint("id", name="pk_hooks"),
        sa.UniqueConstraint("token_digest", name="uq_hooks_token_digest"),
    )
    op.create_table(
        "payload_schemas",
        sa.Column("producer_id", sa.String(64), nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("producer_id", "version", name="pk_payload_schemas"),
    )
    op.create_table(
        "strict_producers",
        sa.Column("producer_id", sa.String(64), nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("producer_id", name="pk_strict_producers"),
    )


def downgrade() -> None:
    for table in ("strict_producers", "payload_schemas", "hooks"):
        op.drop_table(table)
