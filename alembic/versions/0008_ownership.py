"""Owners and roles, and what a tenant may use.

What is there already has no owner and stays open to its whole tenant.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With a constant default, neither database rewrites the rows; a batch would have SQLite copy the tables.
    op.add_column("container", sa.Column("owner", sa.Text()))
    op.add_column("container", sa.Column("roles", sa.JSON()))
    for table in ("container", "memory", "history"):
        if table != "container":
            op.add_column(table, sa.Column("owner", sa.Text()))
        op.add_column(table, sa.Column("guarded", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("tenant", sa.Column("quota", sa.JSON()))


def downgrade() -> None:
    with op.batch_alter_table("tenant") as tenant:
        tenant.drop_column("quota")
    for table in ("history", "memory", "container"):
        with op.batch_alter_table(table) as owned:
            owned.drop_column("guarded")
            owned.drop_column("owner")
    with op.batch_alter_table("container") as container:
        container.drop_column("roles")
