"""Signed messages and the producers they belong to

Revision: 0006
After: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "signed_messages",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("producer_id", sa.String(64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_signed_messages"),
    )
    op.create_index("ix_signed_messages_received_at", "signed_messages", ["received_at"])


def downgrade() -> None:
    op.drop_table("signed_messages")
