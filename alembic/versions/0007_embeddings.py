"""Search by meaning: what each memory means to a model, and which memories await embedding.

Nothing is filled in here: a server with a model finds out by itself what it has to embed.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# The extension does the comparing where it is there; without it, or without the right to make it, the servers do.
EXTENSION = """
DO $$ BEGIN
    CREATE EXTENSION IF NOT EXISTS vector;
EXCEPTION WHEN OTHERS THEN
    RAISE NOTICE 'pgvector is not used: %', SQLERRM;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "embedding",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("memory_id", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("dimensions", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("text_mark", sa.LargeBinary(), nullable=False),
        sa.Column("vector", sa.LargeBinary().with_variant(ARRAY(sa.REAL()), "postgresql")),
        sa.PrimaryKeyConstraint("tenant_id", "memory_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "memory_id"],
            ["search.tenant_id", "search.memory_id"],
            name="embedding_search",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "embedding_due",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("memory_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "memory_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "memory_id"],
            ["search.tenant_id", "search.memory_id"],
            name="embedding_due_search",
            ondelete="CASCADE",
        ),
    )
    op.create_index("embedding_due_next", "embedding_due", ["due_at"])
    if op.get_bind().dialect.name == "postgresql":
        op.execute(EXTENSION)


def downgrade() -> None:
    # The extension stays: others may use it.
    op.drop_table("embedding_due")
    op.drop_table("embedding")
