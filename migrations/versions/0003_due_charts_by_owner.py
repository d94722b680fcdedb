"""Due charts by owner, failed events

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def partial(condition: str) -> dict[str, sa.TextClause]:
    return {"postgresql_where": sa.text(condition), "sqlite_where": sa.text(condition)}


def upgrade() -> None:
    op.drop_index("ix_charts_due", "charts")
    op.create_index("ix_charts_due", "charts", ["owner", "due_at"], **partial("due_at IS NOT NULL"))
    op.create_index("ix_events_failed", "events", ["id"], **partial("dispatched_at IS NOT NULL AND error IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_events_failed", "events")
    op.drop_index("ix_charts_due", "charts")
    op.create_index("ix_charts_due", "charts", ["due_at"], **partial("due_at IS NOT NULL"))
