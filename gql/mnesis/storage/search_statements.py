"""The statements that keep the search index and that ask it."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    bindparam,
    column,
    func,
    literal_column,
    select,
    table,
    text,
    tuple_,
)

from mnesis.storage.engines import DriverCursor, Engine, WriteStatement
from mnesis.storage.filtering import SHAPES_KEPT, Shape, condition
from mnesis.storage.rows import Row
from mnesis.storage.statements import MEMORY, TENANT, table_of
from mnesis.storage.tables import SearchRow
from mnesis.storage.visibility import TENANT as OF_TENANT
from mnesis.storage.visibility import VisibleStatement, compile_of_tenant, compile_visible, visible

SEARCH = table_of(SearchRow)

_LIVE = text("NOT memory.deleted")
_COLUMNS = ("tenant_id", "memory_id", "number", "length", "words", "counts")
_number = itemgetter(_COLUMNS.index("number"))
ROWS_AT_ONCE = 1_000
"""How many rows are handed to SQLite as one text: as many as a request has at most, or an import at once."""
_PUT = {
    "sqlite": """
        INSERT INTO search (tenant_id, memory_id, number, length, words, counts)
        SELECT value ->> 0, value ->> 1, (SELECT coalesce(max(number), 0) + 1 FROM search) + key,
               value ->> 3, value ->> 4, value ->> 5
        FROM json_each(:rows) WHERE true
        ON CONFLICT (tenant_id, memory_id) DO UPDATE
        SET length = excluded.length, words = excluded.words, counts = excluded.counts
    """,
    "postgresql": """
        INSERT INTO search (tenant_id, memory_id, number, length, words, counts)
        SELECT tenant_id, memory_id, number, length, array_to_tsvector(string_to_array(words, ' ')), counts
        FROM unnest(%(tenant_id)s::text[], %(memory_id)s::text[], %(number)s::bigint[], %(length)s::int[],
                    %(words)s::text[], %(counts)s::text[]) AS given(tenant_id, memory_id, number, length, words, counts)
        ON CONFLICT (tenant_id, memory_id) DO UPDATE
        SET length = excluded.length, words = excluded.words, counts = excluded.counts
    """,
}


class SearchWriteStatements:
    """What a writer lane runs to keep the index."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"
        # SQLAlchemy's way would number rows of PostgreSQL too, or send words that are no tsvector yet.
        self._put = WriteStatement(text=_PUT[engine.dialect.name], parameters=_COLUMNS)
        gone = SEARCH.delete().where(SEARCH.c.tenant_id == bindparam("tenant"), engine.among(SEARCH.c.memory_id, "ids"))
        self.remove = str(gone.compile(dialect=engine.dialect))
        # FTS5 notes that words are gone and keeps them until it merges its segments; an erasure does not wait for it.
        optimize = "INSERT INTO search_index (search_index) VALUES ('optimize')"
        self.forget = (optimize,) if self._on_sqlite else ()

    def put(self, cursor: DriverCursor, rows: Sequence[Row]) -> None:
        """Writes rows of `search_index.search_row`, over those of the same memories."""
        if not self._on_sqlite:
            self._engine.write(cursor, self._put, rows)
            return
        # FTS5 writes what it gathered to its tables when a statement with triggers begins, and when a number is lower
        # than the one before: row by row, that takes three times as long.
        ordered = sorted(rows, key=_number)
        for begin in range(0, len(ordered), ROWS_AT_ONCE):
            cursor.execute(self._put.text, {"rows": orjson.dumps(ordered[begin : begin + ROWS_AT_ONCE]).decode()})


class SearchReadStatements:
    """What the reader asks the index. ``:match`` is a query in the index's own words (see `matching`)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._on_sqlite = engine.dialect.name == "sqlite"
        self.totals = self._compiled(
            select(func.count(), func.coalesce(func.sum(SEARCH.c.length), 0)).select_from(SEARCH)
        )
        self.change = compile_of_tenant(
            select(TENANT.c.change).where(TENANT.c.id == bindparam(OF_TENANT)), engine.dialect
        )
        """The number of the tenant's last change."""
        self.having = compile_visible(select(func.count()).select_from(self._having().subquery()), engine.dialect)
        self.expected = None if self._on_sqlite else self._expected()
        """How many match, as PostgreSQL expects from what it knows of the words: one JSON text, and no row is read."""
        self.candidates = lru_cache(SHAPES_KEPT)(self._candidates)
        self.newest_candidates = lru_cache(SHAPES_KEPT)(self._newest_candidates)
        self.neighbours = self._compiled_neighbours()
        self.rows = lru_cache(SHAPES_KEPT)(self._rows)

    def matching(self, every: list[str], some: list[str]) -> str:
        """A query for memories that have every one of the words and at least one of the others, if there are."""
        if self._on_sqlite:
            both, either, quote = " AND ", " OR ", '"'
        else:
            both, either, quote = " & ", " | ", "'"
        quoted = [f"{quote}{word}{quote}" for word in every]
        if some:
            quoted.append(f"({either.join([f'{quote}{word}{quote}' for word in some])})")
        return both.join(quoted)

    def _having(self) -> Select[Any]:
        """The memories that match, one row for each, ``:most`` of them."""
        most = bindparam("most", type_=BigInteger)
        if self._on_sqlite:
            return select(literal_column("1").label("one")).select_from(_INDEX).where(_MATCHES).limit(most)
        found: Select[Any] = select(literal_column("1").label("one")).select_from(SEARCH).where(_matches_query())
        return visible(found).limit(most)

    def _expected(self) -> VisibleStatement:
        one: Select[Any] = select(literal_column("1")).select_from(SEARCH).where(_matches_query())
        statement = self._compiled(one)
        return replace(statement, text=f"EXPLAIN (FORMAT JSON) {statement.text}")

    def _candidates(self, shape: Shape) -> VisibleStatement:
        """Memories that match and pass the filter, at most ``:size``, the newest where the index can tell."""
        if self._on_sqlite:
            return self._first_candidates(shape)
        found: Select[Any] = _with_memory().where(_LIVE, self._passing(shape), _matches_query())
        # No index has the numbers in this form, or PostgreSQL would walk all of the tenant's in their order.
        newest = (SEARCH.c.number + literal_column("0")).desc()
        return self._compiled(found.order_by(newest).limit(bindparam("size", type_=BigInteger)))

    def _first_candidates(self, shape: Shape) -> VisibleStatement:
        """For SQLite: looks at the ``:most`` newest that match one after the other, until ``:size`` pass."""
        looked_at = (
            select(literal_column("rowid").label("number"))
            .select_from(_INDEX)
            .where(_MATCHES)
            .order_by(literal_column("rowid").desc())
            .limit(bindparam("most", type_=BigInteger))
            .subquery("looked_at")
        )
        joined = looked_at.join(SEARCH, SEARCH.c.number == looked_at.c.number).join(MEMORY, _SAME)
        found = select(*_LOOKED_AT).select_from(joined).where(_LIVE, self._passing(shape))
        statement = self._compiled(found.limit(bindparam("size", type_=BigInteger)))
        # SQLite takes the tables of a cross join in the order in which they stand, and so it can stop early. SQLAlchemy
        # has no word for that.
        return replace(statement, text=statement.text.replace(" JOIN ", " CROSS JOIN "))

    def _newest_candidates(self, shape: Shape) -> VisibleStatement:
        """For PostgreSQL and words that many memories have: those among the ``:most`` newest that match."""
        inner = SEARCH.alias("newest")
        # A function, not the operator: GIN would bring all that match before the first can be looked at.
        newest = (
            visible(select(inner.c.memory_id, inner.c.number, inner.c.words))
            .order_by(inner.c.number.desc())
            .limit(bindparam("most", type_=BigInteger))
            .subquery("looked_at")
        )
        matching = (
            select(newest.c.memory_id)
            .where(func.ts_match_vq(newest.c.words, text("CAST(:match AS tsquery)")))
            .order_by(newest.c.number.desc())
            .limit(bindparam("size", type_=BigInteger))
        )
        found = _with_memory().where(_LIVE, self._passing(shape), SEARCH.c.memory_id.in_(matching))
        return self._compiled(found)

    def _rows(self, shape: Shape) -> VisibleStatement:
        """What ranking looks at of the memories ``:near`` that pass the filter."""
        named = self._engine.among(MEMORY.c.id, "near")
        return self._compiled(_with_memory().where(named, _LIVE, self._passing(shape)))

    def _passing(self, shape: Shape) -> ColumnElement[bool]:
        """The memory passes a filter; what enters an index is the match, not the filter."""
        return condition(shape, self._engine, MEMORY, ordered=False)

    def _compiled_neighbours(self) -> VisibleStatement:
        """For each of the entries ``:ids``: its id, and those of the two before and of the two after it.

        That they lie in a session is not asked: SQLite would walk all entries of the tenant.
        """
        entry = MEMORY.alias("entry")
        here = tuple_(entry.c.created_at, entry.c.arrival)

        def near(name: str, *, after: bool, distance: int) -> ColumnElement[Any]:
            other = MEMORY.alias(name)
            place = tuple_(other.c.created_at, other.c.arrival)
            found = visible(
                select(other.c.id).where(
                    other.c.session_id == entry.c.session_id,
                    place > here if after else place < here,
                    text(f"NOT {name}.deleted"),
                )
            )
            order = (other.c.created_at, other.c.arrival)
            directed = [part.asc() if after else part.desc() for part in order]
            return found.order_by(*directed).limit(1).offset(distance).correlate(entry).scalar_subquery()

        statement = select(
            entry.c.id,
            near("before_1", after=False, distance=0),
            near("before_2", after=False, distance=1),
            near("after_1", after=True, distance=0),
            near("after_2", after=True, distance=1),
        ).where(self._engine.among(entry.c.id, "ids"))
        return self._compiled(statement)

    def _compiled(self, statement: Select[Any]) -> VisibleStatement:
        return compile_visible(visible(statement), self._engine.dialect)


_INDEX = table("search_index", column("rowid"))
_MATCHES: ColumnElement[bool] = text("search_index MATCH :match")  # type: ignore[assignment]  # text is a condition


def _matches_query() -> ColumnElement[bool]:
    return SEARCH.c.words.op("@@", is_comparison=True)(text("CAST(:match AS tsquery)"))


_SAME = (MEMORY.c.tenant_id == SEARCH.c.tenant_id) & (MEMORY.c.id == SEARCH.c.memory_id)
_LOOKED_AT = (
    MEMORY.c.id,
    MEMORY.c.session_id,
    MEMORY.c.created_at,
    MEMORY.c.arrival,
    SEARCH.c.counts,
    SEARCH.c.length,
)


def _with_memory() -> Select[Any]:
    return select(*_LOOKED_AT).select_from(SEARCH.join(MEMORY, _SAME))
