"""Full text: what each memory is found by. Fills it for the memories that are there."""

import json
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TSVECTOR

from mnesis.domain.fields import Message
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.storage.search_index import search_row

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

AT_ONCE = 1_000
COLUMNS = ("tenant_id", "memory_id", "number", "length", "words", "counts")
ON_SQLITE = (
    "CREATE VIRTUAL TABLE search_index USING fts5(words, content='', detail=none, columnsize=0, tokenize='ascii')",
    """CREATE TRIGGER search_inserted AFTER INSERT ON search BEGIN
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END""",
    """CREATE TRIGGER search_deleted AFTER DELETE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
END""",
    """CREATE TRIGGER search_updated AFTER UPDATE ON search BEGIN
    INSERT INTO search_index (search_index, rowid, words) VALUES ('delete', old.number, old.words);
    INSERT INTO search_index (rowid, words) VALUES (new.number, new.words);
END""",
)
# The columns that there are at this revision; later ones must not be asked for here.
SOURCE = sa.table(
    "memory",
    *map(sa.column, ("tenant_id", "id", "memory_type", "container_id", "session_id", "created_at", "arrival")),
    *map(sa.column, ("deleted", "role", "content", "messages", "tags", "summary", "memory")),
)
JSON_FIELDS = ("messages", "tags")


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.create_table(
        "search",
        sa.Column("tenant_id", sa.Text(), nullable=False),
        sa.Column("memory_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text().with_variant(TSVECTOR(), "postgresql"), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "memory_id"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "memory_id"], ["memory.tenant_id", "memory.id"], name="search_memory", ondelete="CASCADE"
        ),
    )
    if on_sqlite:
        op.create_index("search_number", "search", ["number"], unique=True)
        for statement in ON_SQLITE:
            op.execute(statement)
    fill(on_sqlite)
    # Made afterwards, since that is faster.
    op.create_index("search_newest", "search", ["tenant_id", "number", "length"])
    if not on_sqlite:
        op.create_index("search_words", "search", ["words"], postgresql_using="gin")


def fill(on_sqlite: bool) -> None:
    connection = op.get_bind()
    searched = sa.table("search", *map(sa.column, COLUMNS))
    words: sa.ColumnElement[object] = sa.bindparam("words", type_=sa.Text)
    if not on_sqlite:
        words = sa.func.array_to_tsvector(sa.func.string_to_array(words, " "))
    put = searched.insert().values({name: sa.bindparam(name) for name in COLUMNS} | {"words": words})
    place = sa.tuple_(SOURCE.c.tenant_id, SOURCE.c.id)
    following = sa.select(SOURCE).where(sa.not_(SOURCE.c.deleted)).order_by(SOURCE.c.tenant_id, SOURCE.c.id)
    last: tuple[str, str] = ("", "")
    numbered = 0
    while True:
        page = following.where(place > sa.tuple_(*map(sa.literal, last))).limit(AT_ONCE)
        rows = connection.execute(page).mappings().all()
        if not rows:
            return
        found = []
        for row in rows:
            values = dict(zip(COLUMNS, search_row(row["tenant_id"], memory_of(row)), strict=True))
            numbered += 1
            if on_sqlite:
                values["number"] = numbered
            found.append(values)
        connection.execute(put, found)
        last = (rows[-1]["tenant_id"], rows[-1]["id"])


def memory_of(row: sa.RowMapping) -> Memory:
    memory_type = MemoryType(row["memory_type"])
    values = dict(EMPTY_VALUES[memory_type])
    values.update({name: row[name] for name in values if name in row and row[name] is not None})
    for name in JSON_FIELDS:
        if isinstance(stored := values.get(name), str):
            values[name] = json.loads(stored)
    values["messages"] = tuple(
        Message(role=each["role"], text=each.get("text"), parts=each.get("parts"))
        for each in values.get("messages") or ()
    )
    created_at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=row["created_at"])
    return Memory(
        id=row["id"],
        type=memory_type,
        container_id=row["container_id"],
        session_id=row["session_id"],
        version=1,
        created_at=created_at,
        updated_at=created_at,
        content_updated_at=created_at,
        updated_by=None,
        arrival=row["arrival"],
        values=values,
    )


def downgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE search_index")
    op.drop_table("search")
