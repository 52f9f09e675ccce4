"""Indexes for lists by the last change, and for the history of containers and sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    live = sa.text("NOT deleted")
    op.create_index(
        "memory_last_updated",
        "memory",
        ["tenant_id", "updated_at", "arrival"],
        postgresql_where=live,
        sqlite_where=live,
    )
    op.create_index("history_in_container", "history", ["tenant_id", "container_id", "change", "position"])
    entries = sa.text("session_id IS NOT NULL")
    op.create_index(
        "history_of_entries",
        "history",
        ["tenant_id", "session_id", "change", "position"],
        postgresql_where=entries,
        sqlite_where=entries,
    )


def downgrade() -> None:
    op.drop_index("history_of_entries", "history")
    op.drop_index("history_in_container", "history")
    op.drop_index("memory_last_updated", "memory")
