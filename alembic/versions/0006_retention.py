"""What retention walks: the memories of a container in the order of their last changes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

LIVE = sa.text("NOT deleted")


def upgrade() -> None:
    op.create_index(
        "memory_last_updated_in_container",
        "memory",
        ["tenant_id", "container_id", "updated_at", "arrival"],
        postgresql_where=LIVE,
        sqlite_where=LIVE,
    )


def downgrade() -> None:
    op.drop_index("memory_last_updated_in_container", "memory")
