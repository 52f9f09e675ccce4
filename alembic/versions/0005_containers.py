"""Settings of containers: description, metadata and retention, and what makes a container a versioned thing."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("container") as container:
        container.add_column(sa.Column("description", sa.Text()))
        container.add_column(sa.Column("metadata", sa.JSON()))
        container.add_column(sa.Column("retention", sa.JSON()))
        container.add_column(sa.Column("version", sa.Integer()))
        container.add_column(sa.Column("updated_at", sa.BigInteger()))
        container.add_column(sa.Column("deleted", sa.Boolean()))
    op.execute("UPDATE container SET version = 1, updated_at = created_at, deleted = false")
    with op.batch_alter_table("container") as container:
        for name, kind in (("version", sa.Integer()), ("updated_at", sa.BigInteger()), ("deleted", sa.Boolean())):
            container.alter_column(name, existing_type=kind, nullable=False)


def downgrade() -> None:
    with op.batch_alter_table("container") as container:
        for name in ("deleted", "updated_at", "version", "retention", "metadata", "description"):
            container.drop_column(name)
