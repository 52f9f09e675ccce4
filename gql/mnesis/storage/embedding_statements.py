"""The statements that keep embeddings, and those that compare them."""

from functools import lru_cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, Text, bindparam, func, literal_column, select, tuple_
from sqlalchemy import cast as sql_cast
from sqlalchemy import text as sql_text
from sqlalchemy.types import UserDefinedType

from mnesis.storage.engines import Engine, WriteStatement
from mnesis.storage.filtering import SHAPES_KEPT, Shape, condition
from mnesis.storage.statements import MEMORY, table_of
from mnesis.storage.tables import EmbeddingDueRow, EmbeddingRow
from mnesis.storage.visibility import VisibleStatement, compile_visible, visible

EMBEDDING = table_of(EmbeddingRow)
EMBEDDING_DUE = table_of(EmbeddingDueRow)

_LIVE = sql_text("NOT memory.deleted")


def due_statement(engine: Engine) -> WriteStatement:
    """Marks memories for embedding: tenant, id, version and the time before which it is nobody's turn."""
    return engine.write_statement(EMBEDDING_DUE, over=True)


class EmbeddingWriteStatements:
    """What keeps embeddings. They are of all tenants at once, since no caller asks for them and none hears of them.

    On PostgreSQL nothing waits for a lock that a writer may hold, so that no writer is ever part of a deadlock: what is
    locked is being written or deleted, and its embedding would be out of date.
    """

    def __init__(self, engine: Engine) -> None:
        on_sqlite = engine.dialect.name == "sqlite"
        texts = _SQLITE if on_sqlite else _POSTGRESQL
        columns = ("tenant_id", "memory_id", "model", "dimensions", "version", "text_mark", "vector")
        self.put = WriteStatement(text=texts["put"], parameters=columns)
        self.anything = texts["anything"]
        self.take = texts["take"]
        self.hold = texts.get("hold")
        self.take_off = texts["take_off"]
        self.put_off = texts["put_off"]
        self.touch = texts["touch"]
        self.release_all = texts.get("release_all")
        self.look_around = texts["look_around"]
        self.mark = texts["mark"]


_SQLITE = {
    "put": """
        INSERT INTO embedding (tenant_id, memory_id, model, dimensions, version, text_mark, vector)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
        ON CONFLICT (tenant_id, memory_id) DO UPDATE SET model = excluded.model, dimensions = excluded.dimensions,
            version = excluded.version, text_mark = excluded.text_mark, vector = excluded.vector
    """,
    "anything": "SELECT 1 FROM embedding_due WHERE due_at <= :now LIMIT 1",
    "take": """
        UPDATE embedding_due SET due_at = :until WHERE (tenant_id, memory_id) IN (
            SELECT tenant_id, memory_id FROM embedding_due WHERE due_at <= :now ORDER BY due_at LIMIT :size
        ) RETURNING tenant_id, memory_id, version
    """,
    "take_off": """
        DELETE FROM embedding_due
        WHERE tenant_id = :tenant AND memory_id = :memory AND version = :version
        RETURNING tenant_id, memory_id, version
    """,
    "put_off": """
        UPDATE embedding_due SET due_at = :until
        WHERE tenant_id = :tenant AND memory_id = :memory AND version = :version
    """,
    "touch": "UPDATE embedding SET version = :version WHERE tenant_id = :tenant AND memory_id = :memory",
    # One process serves a file, so who took these is gone.
    "release_all": "UPDATE embedding_due SET due_at = 0 WHERE due_at > 0",
    "look_around": """
        SELECT search.tenant_id, search.memory_id, memory.version,
               embedding.model IS NULL OR embedding.model <> :model OR embedding.version <> memory.version
        FROM search JOIN memory ON memory.tenant_id = search.tenant_id AND memory.id = search.memory_id
        LEFT JOIN embedding ON embedding.tenant_id = search.tenant_id AND embedding.memory_id = search.memory_id
        WHERE (search.tenant_id, search.memory_id) > (:tenant, :memory)
        ORDER BY search.tenant_id, search.memory_id LIMIT :size
    """,
    # Whoever marked it before knows better, and a memory that went meanwhile is not marked.
    "mark": """
        INSERT INTO embedding_due (tenant_id, memory_id, version, due_at)
        SELECT tenant_id, memory_id, :version, :now FROM search WHERE tenant_id = :tenant AND memory_id = :memory
        ON CONFLICT DO NOTHING
    """,
}
_THESE = "unnest(%(tenants)s::text[], %(ids)s::text[], %(versions)s::int[])"
_POSTGRESQL = {
    "put": """
        INSERT INTO embedding (tenant_id, memory_id, model, dimensions, version, text_mark, vector)
        SELECT tenant_id, memory_id, model, dimensions, version, text_mark, vector::real[]
        FROM unnest(%(tenant_id)s::text[], %(memory_id)s::text[], %(model)s::text[], %(dimensions)s::int[],
                    %(version)s::int[], %(text_mark)s::bytea[], %(vector)s::text[])
            AS given(tenant_id, memory_id, model, dimensions, version, text_mark, vector)
        ON CONFLICT (tenant_id, memory_id) DO UPDATE SET model = excluded.model, dimensions = excluded.dimensions,
            version = excluded.version, text_mark = excluded.text_mark, vector = excluded.vector
    """,
    "anything": "SELECT 1 FROM embedding_due WHERE due_at <= %(now)s::bigint LIMIT 1",
    "take": """
        WITH next AS MATERIALIZED (
            SELECT tenant_id, memory_id FROM embedding_due WHERE due_at <= %(now)s::bigint
            ORDER BY due_at LIMIT %(size)s::bigint FOR UPDATE SKIP LOCKED
        )
        UPDATE embedding_due SET due_at = %(until)s::bigint FROM next
        WHERE embedding_due.tenant_id = next.tenant_id AND embedding_due.memory_id = next.memory_id
        RETURNING embedding_due.tenant_id, embedding_due.memory_id, embedding_due.version
    """,
    # An embedding refers to its row in search, and a deletion takes that row before it takes the mark.
    "hold": f"""
        SELECT search.tenant_id, search.memory_id, given.version
        FROM {_THESE} AS given(tenant_id, memory_id, version)
        JOIN search ON search.tenant_id = given.tenant_id AND search.memory_id = given.memory_id
        FOR KEY SHARE OF search SKIP LOCKED
    """,  # noqa: S608  # Nothing but the words above.
    "take_off": f"""
        WITH held AS MATERIALIZED (
            SELECT due.tenant_id, due.memory_id, due.version
            FROM {_THESE} AS given(tenant_id, memory_id, version)
            JOIN embedding_due AS due ON due.tenant_id = given.tenant_id AND due.memory_id = given.memory_id
                AND due.version = given.version
            FOR UPDATE OF due SKIP LOCKED
        )
        DELETE FROM embedding_due USING held
        WHERE embedding_due.tenant_id = held.tenant_id AND embedding_due.memory_id = held.memory_id
        RETURNING held.tenant_id, held.memory_id, held.version
    """,  # noqa: S608
    "put_off": f"""
        WITH held AS MATERIALIZED (
            SELECT due.tenant_id, due.memory_id
            FROM {_THESE} AS given(tenant_id, memory_id, version)
            JOIN embedding_due AS due ON due.tenant_id = given.tenant_id AND due.memory_id = given.memory_id
                AND due.version = given.version
            FOR UPDATE OF due SKIP LOCKED
        )
        UPDATE embedding_due SET due_at = %(until)s::bigint FROM held
        WHERE embedding_due.tenant_id = held.tenant_id AND embedding_due.memory_id = held.memory_id
    """,  # noqa: S608
    "touch": f"""
        UPDATE embedding SET version = given.version FROM {_THESE} AS given(tenant_id, memory_id, version)
        WHERE embedding.tenant_id = given.tenant_id AND embedding.memory_id = given.memory_id
    """,  # noqa: S608
    "look_around": """
        SELECT search.tenant_id, search.memory_id, memory.version,
               embedding.model IS NULL OR embedding.model <> %(model)s OR embedding.version <> memory.version
        FROM search JOIN memory ON memory.tenant_id = search.tenant_id AND memory.id = search.memory_id
        LEFT JOIN embedding ON embedding.tenant_id = search.tenant_id AND embedding.memory_id = search.memory_id
        WHERE (search.tenant_id, search.memory_id) > (%(tenant)s, %(memory)s)
        ORDER BY search.tenant_id, search.memory_id LIMIT %(size)s::bigint
    """,
    "mark": f"""
        INSERT INTO embedding_due (tenant_id, memory_id, version, due_at)
        SELECT tenant_id, memory_id, version, %(now)s::bigint FROM (
            SELECT search.tenant_id, search.memory_id, given.version
            FROM {_THESE} AS given(tenant_id, memory_id, version)
            JOIN search ON search.tenant_id = given.tenant_id AND search.memory_id = given.memory_id
            FOR KEY SHARE OF search SKIP LOCKED
        ) AS there
        ON CONFLICT DO NOTHING
    """,  # noqa: S608
}


class EmbeddingReadStatements:
    """What is read for a caller, or for the embedding of one tenant's memories."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"
        self.marks = self._compiled(
            select(EMBEDDING.c.memory_id, EMBEDDING.c.model, EMBEDDING.c.text_mark).where(
                engine.among(EMBEDDING.c.memory_id, "ids")
            )
        )
        self.count_due = self._compiled(select(func.count()).select_from(EMBEDDING_DUE))
        self.page = lru_cache(SHAPES_KEPT)(self._page)
        self.nearest = lru_cache(SHAPES_KEPT)(self._nearest)

    def _page(self, shape: Shape, looked_up: bool, following: bool) -> VisibleStatement:
        """The embeddings of the newest memories that pass a filter, ``:size`` of them, for comparing here.

        ``following`` are those after a place (:value, :tie); ``looked_up`` are few enough to be sorted.
        """
        vector: ColumnElement[Any] = EMBEDDING.c.vector
        if not self._on_sqlite:
            # As the server sends an array: bytes, which need not be read number by number.
            vector = func.array_send(vector)
        order = self._order(looked_up)
        found = self._comparable(shape).with_only_columns(*_CANDIDATE, vector)
        if following:
            place = tuple_(bindparam("value", type_=BigInteger), bindparam("tie", type_=BigInteger))
            found = found.where(tuple_(*order) < place)
        found = found.order_by(*(part.desc() for part in order))
        return self._compiled(found.limit(bindparam("size", type_=BigInteger)))

    def _nearest(self, shape: Shape, looked_up: bool) -> VisibleStatement:
        """For pgvector: among the ``:most`` newest memories that pass a filter, the ``:size`` nearest to ``:meant``."""
        order = self._order(looked_up)
        newest = (
            visible(self._comparable(shape).with_only_columns(*_CANDIDATE, EMBEDDING.c.vector))
            .order_by(*(part.desc() for part in order))
            .limit(bindparam("most", type_=BigInteger))
            .subquery("newest")
        )
        meant = sql_text("CAST(:meant AS vector)")
        # The vectors have length 1, so that their inner product, of which this is the negative, is the cosine.
        distance = sql_cast(newest.c.vector, _Vector()).op("<#>")(meant).label("distance")
        ranked = select(*(newest.c[each.key] for each in _CANDIDATE), distance)
        ranked = ranked.order_by(literal_column("distance")).limit(bindparam("size", type_=BigInteger))
        return self._compiled(ranked)

    def _comparable(self, shape: Shape) -> Select[Any]:
        same = (EMBEDDING.c.tenant_id == MEMORY.c.tenant_id) & (EMBEDDING.c.memory_id == MEMORY.c.id)
        return (
            select(MEMORY.c.id)
            .select_from(MEMORY.join(EMBEDDING, same))
            .where(
                _LIVE,
                EMBEDDING.c.model == bindparam("model", type_=Text),
                EMBEDDING.c.dimensions == bindparam("dimensions", type_=Integer),
                EMBEDDING.c.vector.is_not(None),
                condition(shape, self._engine, MEMORY),
            )
        )

    def _order(self, looked_up: bool) -> tuple[ColumnElement[int], ...]:
        columns = (MEMORY.c.created_at, MEMORY.c.arrival)
        # No index has them in this form.
        return tuple(each + literal_column("0") for each in columns) if looked_up else columns

    def _compiled(self, statement: Select[Any]) -> VisibleStatement:
        return compile_visible(visible(statement), self._engine.dialect)


class _Vector(UserDefinedType[Any]):
    """pgvector's type."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "vector"


_CANDIDATE = (MEMORY.c.id, MEMORY.c.session_id, MEMORY.c.created_at, MEMORY.c.arrival)
