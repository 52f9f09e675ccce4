"""The first tables: tenants, containers, memories, their history, and answers to repeated requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenant",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "container",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="container_tenant"),
    )
    create_memory()
    create_history()
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("answer", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "subject", "key"),
    )
    op.create_index("idempotency_age", "idempotency", ["created_at"])


def create_memory() -> None:
    op.create_table(
        "memory",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("memory_type", sa.Text(), nullable=False),
        sa.Column("container_id", sa.Text(), nullable=False),
        sa.Column("namespace", sa.JSON(), nullable=False),
        sa.Column("session_id", sa.Text()),
        sa.Column("entry_id", sa.Text()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("content_updated_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_by", sa.Text()),
        sa.Column("arrival", sa.BigInteger(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.Column("summary", sa.Text()),
        sa.Column("metadata", sa.JSON()),
        sa.Column("agents", sa.JSON()),
        sa.Column("additional_info", sa.JSON()),
        sa.Column("pinned", sa.Boolean()),
        sa.Column("content", sa.Text()),
        sa.Column("role", sa.Text()),
        sa.Column("payload_type", sa.Text()),
        sa.Column("messages", sa.JSON()),
        sa.Column("structured_data", sa.JSON()),
        sa.Column("binary_data", sa.LargeBinary()),
        sa.Column("tags", sa.JSON()),
        sa.Column("memory", sa.Text()),
        sa.Column("strategy", sa.Text()),
        sa.PrimaryKeyConstraint("tenant_id", "id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "container_id"], ["container.tenant_id", "container.id"], name="memory_container"
        ),
        sa.UniqueConstraint("tenant_id", "session_id", "entry_id", name="memory_entry"),
        postgresql_with={"fillfactor": 85},
    )
    live = sa.text("NOT deleted")
    in_a_session = sa.text("NOT deleted AND session_id IS NOT NULL")
    for name, parent, condition in (
        ("memory_newest", None, live),
        ("memory_newest_of_type", "memory_type", live),
        ("memory_newest_in_container", "container_id", live),
        ("memory_entries", "session_id", in_a_session),
    ):
        columns = ["tenant_id", *([parent] if parent else []), "created_at", "arrival"]
        op.create_index(name, "memory", columns, postgresql_where=condition, sqlite_where=condition)


def create_history() -> None:
    op.create_table(
        "history",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("memory_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("memory_type", sa.Text(), nullable=False),
        sa.Column("container_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text()),
        sa.Column("namespace", sa.JSON(), nullable=False),
        sa.Column("change", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("changes", sa.JSON(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("content_updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "memory_id", "version"),
        sa.UniqueConstraint("tenant_id", "change", "position", name="history_order"),
    )


def downgrade() -> None:
    for table in ("idempotency", "history", "memory", "container", "tenant"):
        op.drop_table(table)
