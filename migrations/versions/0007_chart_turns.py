"""Charts are claimed in turns of their owners

Revision: 0007
After: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

CLAIMABLE = {"postgresql_where": sa.text("turn IS NOT NULL"), "sqlite_where": sa.text("turn IS NOT NULL")}


def upgrade() -> None:
    op.add_column("charts", sa.Column("turn", sa.Float(), nullable=True))
    # What waits already goes first, in the order it came.
    op.execute("UPDATE charts SET turn = 0 WHERE status = 'queued'")
    op.create_index("ix_charts_turn", "charts", ["turn", "created_at"], **CLAIMABLE)
    op.create_index("ix_charts_owner_turn", "charts", ["owner", "turn"], **CLAIMABLE)


def downgrade() -> None:
    op.drop_index("ix_charts_owner_turn", "charts")
    op.drop_index("ix_charts_turn", "charts")
    op.drop_column("charts", "turn")
