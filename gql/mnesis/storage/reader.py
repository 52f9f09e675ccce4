"""Reads what is committed, in threads that each own a read-only connection; one hop for one question."""

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

from mnesis.domain.caller import Caller
from mnesis.domain.containers import Container
from mnesis.domain.history import HistoryRecord
from mnesis.domain.ids import DEFAULT_CONTAINER, RecordId
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.quotas import Quotas, Usage
from mnesis.domain.time_travel import NotKept, as_of
from mnesis.storage.compiling import compiled_for
from mnesis.storage.container_rows import container_from, default_container
from mnesis.storage.embedding_statements import EmbeddingReadStatements
from mnesis.storage.engines import Connection, Engine
from mnesis.storage.filtering import findable, sought
from mnesis.storage.instants import to_microseconds
from mnesis.storage.places import Places
from mnesis.storage.point_reads import PointReads, Visibility
from mnesis.storage.quotas import QuotaStatements, month_of, quotas_from
from mnesis.storage.reading_threads import ReadingThreads
from mnesis.storage.removal_statements import RemovalStatements
from mnesis.storage.removing import removal_counts
from mnesis.storage.rows import record_from
from mnesis.storage.searcher import Searcher
from mnesis.storage.statements import ReadStatements
from mnesis.storage.stored_memory import memory_columns, stored_memory_from, stored_memory_of
from mnesis.storage.visibility import VisibleStatement, caller_parameters
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import (
    Cursor,
    MemoryQuery,
    Page,
    PageRequest,
    PastMemory,
    RecordQuery,
    Removable,
    Removal,
    RemovalCounts,
    SearchPage,
    SearchRequest,
    StoreFault,
)

log = logging.getLogger("mnesis.storage")

T = TypeVar("T")
Rows = list[Sequence[Any]]
Ask = Callable[[VisibleStatement, Mapping[str, Any]], Rows]

OTHER = "other"
"""The kind of reads that nobody tells apart."""
CHANGES = "changes"
"""The kind of the change feed's reads, which are asked on behalf of many."""
EMBEDDING = "embedding"
RETENTION = "retention"
"""The kinds of what a server reads by itself, on behalf of nobody."""


class Reader:
    """Answers the questions of `MemoryReader` from a database."""

    def __init__(self, engine: Engine, *, threads: int, meter: Meter = UNMETERED) -> None:
        self._engine = engine
        self._meter = meter
        self._statements = compiled_for(ReadStatements, engine)
        self._searcher = Searcher(engine, self._statements.memories)
        self._removals = compiled_for(RemovalStatements, engine)
        self._embeddings = compiled_for(EmbeddingReadStatements, engine)
        self._quotas = compiled_for(QuotaStatements, engine)
        self._local = threading.local()
        self._connections: set[Connection] = set()
        self._lock = threading.Lock()
        self._threads = ReadingThreads(threads)
        self._points = PointReads(self._memories, self._threads, meter)

    async def check(self) -> None:
        """Raises `StoreFault` when the database does not answer."""
        await self._hop(self._ping)

    def close(self) -> None:
        """Answers what was asked, then ends the threads and their connections. Blocks."""
        self._threads.close()
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def interrupt(self) -> None:
        """Has the questions under way fail with `StoreFault`. Blocks until the database was told."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            self._engine.interrupt(connection)

    async def memories(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Memory]:
        return await self._points.memories(caller_parameters(caller), ids)

    def _memories(self, visibility: Visibility, ids: Collection[str]) -> Mapping[str, Memory]:
        values = {**visibility, "ids": self._engine.texts(ids)}
        return self._answered(
            lambda ask: {
                memory.id: memory for memory in map(stored_memory_from, ask(self._statements.memories, values))
            }
        )

    async def past_memory(
        self, caller: Caller, memory_id: str, *, version: int | None = None, at: datetime | None = None
    ) -> PastMemory | None:
        common = {**caller_parameters(caller), "memory": memory_id}
        return await self._hop(lambda ask: self._past_memory(ask, common, version, at), kind="past_memory")

    def _past_memory(
        self, ask: Ask, common: dict[str, Any], version: int | None, at: datetime | None
    ) -> PastMemory | None:
        rows = ask(self._statements.memory, common)
        if not rows:
            return None
        memory = stored_memory_from(rows[0])
        if at is not None:
            version = self._version_at(ask, common, at)
        if version is None or not 1 <= version <= memory.version:
            return None
        # What was committed since the memory was read is not asked for.
        values = {**common, "least": version, "most": memory.version}
        records = map(record_from, ask(self._statements.versions, values))
        past = as_of(memory, version, {record.version: record for record in records})
        return None if past.deleted else PastMemory(memory=past, is_current=past is memory)

    def _version_at(self, ask: Ask, common: dict[str, Any], at: datetime) -> int | None:
        """The version that was current at a time; None where there was none. Raises `NotKept`."""
        found = ask(self._statements.version_at, {**common, "moment": to_microseconds(at)})
        if found:
            return int(found[0][0])
        oldest = ask(self._statements.oldest_version, common)
        if oldest and oldest[0][0] > 1:
            raise NotKept(oldest[0][0] - 1)
        return None

    async def records(self, caller: Caller, ids: Collection[RecordId]) -> Mapping[RecordId, HistoryRecord]:
        common = caller_parameters(caller)
        wanted = [{**common, "memory": findable(record.memory_id), "version": record.version} for record in set(ids)]
        statement = self._statements.record
        rows = await self._hop(lambda ask: [row for values in wanted for row in ask(statement, values)], kind="records")
        return {RecordId(record.memory_id, record.version): record for record in map(record_from, rows)}

    async def containers(self, caller: Caller, ids: Collection[str]) -> Mapping[str, Container]:
        rows = await self._rows(
            caller, self._statements.containers, {"ids": self._engine.texts(ids)}, kind="containers"
        )
        found = {container.id: container for container in map(container_from, rows)}
        if DEFAULT_CONTAINER in ids and DEFAULT_CONTAINER not in found:
            found[DEFAULT_CONTAINER] = default_container(None)
        return found

    async def list_containers(self, caller: Caller, page: PageRequest) -> Page[Container]:
        bound, ascending = _direction(page, ascending=True)
        place = page.before if page.backward else page.after
        values: dict[str, Any] = {"size": page.size + 1}
        if place is not None:
            values["place"] = place.id
        rows = await self._rows(caller, self._statements.list_containers(bound, ascending), values)
        found = list(map(container_from, rows))
        if not found and (place is None or _is_beyond_default(place, page)):
            # A tenant that was never written to, since the default container comes with everyone else's first row.
            found = [default_container(None)] if not await self._count_containers(caller) else []
        return _page(found, _container_cursor, page)

    async def count_containers(self, caller: Caller) -> int:
        return await self._count_containers(caller) or 1

    async def _count_containers(self, caller: Caller) -> int:
        return _count(await self._rows(caller, self._statements.count_containers, {}))

    async def count_memories_of(self, caller: Caller, container_ids: Collection[str]) -> Mapping[str, int]:
        return await self._counts(caller, self._statements.count_memories_of, container_ids)

    async def list_memories(self, caller: Caller, query: MemoryQuery, page: PageRequest) -> Page[Memory]:
        wanted = sought(query, self._engine)
        bound, ascending = _direction(page, ascending=query.order.ascending)
        # No index has a session's entries in the order of their changes, so they are looked up and sorted.
        looked_up = wanted.names("ids") or (query.order.column == "updated_at" and wanted.names("session"))
        column = query.order.column
        columns = memory_columns(query.looked_at, column)
        statement = self._statements.list_memories(wanted.shape, looked_up, column, bound, ascending, columns)
        rows = await self._rows(caller, statement, {**wanted.values, **_place(page)}, kind="list_memories")
        return _page(list(map(stored_memory_of(columns), rows)), _MEMORY_CURSORS[column], page)

    async def count_memories(self, caller: Caller, query: MemoryQuery) -> int:
        wanted = sought(query, self._engine)
        return _count(
            await self._rows(caller, self._statements.count_memories(wanted.shape), wanted.values, kind="count")
        )

    async def removable(
        self, caller: Caller, removal: Removal, *, sessions: bool, after: str, size: int
    ) -> Sequence[Removable]:
        wanted = sought(removal.filter, self._engine)
        statement = self._removals.removable(wanted.shape, removal.erases, sessions)
        ids = [row[0] for row in await self._rows(caller, statement, {**wanted.values, "after": after, "size": size})]
        counted = {}
        if sessions and ids:
            counts = self._removals.entry_counts[removal.erases]
            counted = {
                row[0]: int(row[1]) for row in await self._rows(caller, counts, {"ids": self._engine.texts(ids)})
            }
        return [Removable(id=each, entries=counted.get(each, 0)) for each in ids]

    async def removable_entries(
        self, caller: Caller, removal: Removal, session_id: str, *, after: str, size: int
    ) -> Sequence[str]:
        values = {"session": session_id, "after": after, "size": size}
        return [row[0] for row in await self._rows(caller, self._removals.entries[removal.erases], values)]

    async def count_removable(self, caller: Caller, removal: Removal) -> RemovalCounts:
        wanted = sought(removal.filter, self._engine)
        rows = await self._rows(caller, self._removals.counts(wanted.shape, removal.erases), wanted.values)
        counted = {MemoryType(row[0]): int(row[1]) for row in rows}
        records = 0
        if removal.erases:
            statement = self._removals.record_counts(wanted.shape, removal.erases)
            records = _count(await self._rows(caller, statement, wanted.values))
        return removal_counts(counted, records)

    async def search_memories(self, caller: Caller, query: MemoryQuery, request: SearchRequest) -> SearchPage:
        return await self._hop(lambda ask: self._searcher.search(ask, caller, query, request), kind="search")

    async def count_awaiting_embedding(self, caller: Caller) -> int:
        return _count(await self._rows(caller, self._embeddings.count_due, {}))

    async def quotas(self, caller: Caller) -> tuple[Quotas, Usage] | None:
        rows = await self._rows(caller, self._quotas.mine, {})
        if not rows or rows[0][0] is None:
            return None
        quotas, usage = quotas_from(rows[0][0])
        return quotas, usage.at(month_of(datetime.now(UTC)))

    async def list_records(self, caller: Caller, query: RecordQuery, page: PageRequest) -> Page[HistoryRecord]:
        conditions, values = self._record_conditions(query)
        bound, ascending = _direction(page, ascending=False)
        statement = self._statements.list_records(conditions, bound, ascending)
        rows = await self._rows(caller, statement, {**values, **_place(page)}, kind="list_records")
        return _page(list(map(record_from, rows)), _record_cursor, page)

    async def count_records(self, caller: Caller, query: RecordQuery) -> int:
        conditions, values = self._record_conditions(query)
        return _count(await self._rows(caller, self._statements.count_records(conditions), values, kind="count"))

    async def entries(
        self, caller: Caller, session_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[Memory]]:
        statement = self._statements.entries(*_direction(page, ascending=True))
        found = await self._rows_of_each(caller, statement, "session", session_ids, page)
        return {
            session_id: _page(list(map(stored_memory_from, rows)), _memory_cursor, page)
            for session_id, rows in found.items()
        }

    async def count_entries(self, caller: Caller, session_ids: Collection[str]) -> Mapping[str, int]:
        return await self._counts(caller, self._statements.count_entries, session_ids)

    async def histories(
        self, caller: Caller, memory_ids: Collection[str], page: PageRequest
    ) -> Mapping[str, Page[HistoryRecord]]:
        statement = self._statements.history(*_direction(page, ascending=False))
        found = await self._rows_of_each(caller, statement, "memory", memory_ids, page)
        return {
            memory_id: _page(list(map(record_from, rows)), _version_cursor, page) for memory_id, rows in found.items()
        }

    async def count_histories(self, caller: Caller, memory_ids: Collection[str]) -> Mapping[str, int]:
        return await self._counts(caller, self._statements.count_histories, memory_ids)

    def _record_conditions(self, query: RecordQuery) -> tuple[frozenset[str], dict[str, Any]]:
        values: dict[str, Any] = {}
        if query.memory_ids is not None:
            values["ids"] = self._engine.texts(query.memory_ids)
        if query.container_id is not None:
            values["container"] = findable(query.container_id)
        if query.session_id is not None:
            values["session"] = findable(query.session_id)
        if query.created_at is not None:
            sides = {"since": query.created_at.start, "until": query.created_at.end}
            values |= {name: to_microseconds(time) for name, time in sides.items() if isinstance(time, datetime)}
        return frozenset(values), values

    async def _counts(self, caller: Caller, statement: VisibleStatement, ids: Collection[str]) -> Mapping[str, int]:
        rows = await self._rows(caller, statement, {"ids": self._engine.texts(ids)}, kind="count")
        counted = {row[0]: int(row[1]) for row in rows}
        return {of: counted.get(of, 0) for of in ids}

    async def _rows_of_each(
        self,
        caller: Caller,
        statement: VisibleStatement,
        name: str,
        of: Collection[str],
        page: PageRequest,
    ) -> Mapping[str, Rows]:
        """The same question about each of several things, in one hop: each answer is a short walk of an index."""
        common = {**caller_parameters(caller), **_place(page)}
        return await self._hop(
            lambda ask: {each: ask(statement, {**common, name: findable(each)}) for each in dict.fromkeys(of)},
            kind="pages",
        )

    async def _rows(
        self, caller: Caller, statement: VisibleStatement, values: Mapping[str, Any], *, kind: str = OTHER
    ) -> Rows:
        parameters = {**caller_parameters(caller), **values}
        return await self._hop(lambda ask: ask(statement, parameters), kind=kind)

    async def hop(self, question: Callable[[Ask], T], *, kind: str) -> T:
        """Puts several statements as one question: one after the other, on one connection."""
        return await self._hop(question, kind=kind)

    async def _hop(self, question: Callable[[Ask], T], *, kind: str = OTHER) -> T:
        put = self._answered if self._meter is UNMETERED else self._measured(kind)
        return await self._threads.answered(partial(put, question))

    def _measured(self, kind: str) -> Callable[[Callable[[Ask], T]], T]:
        origin = self._meter.origin()

        def answered(question: Callable[[Ask], T]) -> T:
            began_s = perf_counter()
            failed = True
            try:
                answer = self._answered(question)
                failed = False
            finally:
                self._meter.read(kind, origin, began_s, perf_counter(), failed=failed)
            return answer

        return answered

    def _answered(self, question: Callable[[Ask], T]) -> T:
        """Puts a question; once more on a new connection when the old one turns out to be of no use."""
        for last in (False, True):
            try:
                return question(self._ask)
            except NotKept:
                raise
            except Exception as fault:
                connection = getattr(self._local, "connection", None)
                # Dropped for a transient fault too: a server that shuts down says so before it hangs up, and a
                # statement prepared before a migration is refused for as long as the connection lives.
                lost = connection is not None and (self._engine.is_lost(connection) or self._engine.is_transient(fault))
                if lost:
                    self._drop(connection)
                if last or not lost:
                    raise StoreFault(f"{type(fault).__name__}: {fault}") from fault
                log.warning("A reading connection was lost and is opened again: %s", fault)
        raise AssertionError("The second round returns or raises.")

    def _ask(self, statement: VisibleStatement, parameters: Mapping[str, Any]) -> Rows:
        cursor = self._connected().execute(statement.text, {**statement.fixed, **parameters})
        rows: Rows = cursor.fetchall()
        return rows

    def _ping(self, ask: Ask) -> None:
        self._connected().execute("SELECT 1").fetchall()

    def _connected(self) -> Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect(read_only=True)
            with self._lock:
                self._connections.add(connection)
        return connection

    def _drop(self, connection: Connection) -> None:
        self._local.connection = None
        with self._lock:
            self._connections.discard(connection)
        connection.close()


def _direction(page: PageRequest, *, ascending: bool) -> tuple[str | None, bool]:
    """The side of the place that rows are wanted from, and the direction in which they are fetched."""
    fetched = ascending is not page.backward
    bound = page.before if page.backward else page.after
    return ("place" if bound is not None else None, fetched)


def _place(page: PageRequest) -> dict[str, int]:
    values = {"size": page.size + 1}
    bound = page.before if page.backward else page.after
    if bound is not None:
        values |= {"value": bound.value, "tie": bound.tie}
    return values


def _page(fetched: list[T], cursor: Callable[[T], Cursor], page: PageRequest) -> Page[T]:
    """One row more than asked for was fetched, to see whether there are more."""
    more = len(fetched) > page.size
    kept = fetched[: page.size]
    if page.backward:
        kept.reverse()
    return Page(
        rows=tuple(kept),
        cursors=Places(kept, cursor),
        has_previous=more if page.backward else page.after is not None,
        has_next=page.before is not None if page.backward else more,
    )


def _memory_cursor(memory: Memory) -> Cursor:
    return Cursor(value=to_microseconds(memory.created_at), tie=memory.arrival)


def _update_cursor(memory: Memory) -> Cursor:
    return Cursor(value=to_microseconds(memory.updated_at), tie=memory.arrival)


_MEMORY_CURSORS = {"created_at": _memory_cursor, "updated_at": _update_cursor}


def _container_cursor(container: Container) -> Cursor:
    return Cursor(value=0, id=container.id)


def _is_beyond_default(place: Cursor, page: PageRequest) -> bool:
    return place.id > DEFAULT_CONTAINER if page.backward else place.id < DEFAULT_CONTAINER


def _record_cursor(record: HistoryRecord) -> Cursor:
    return Cursor(value=record.change, tie=record.position)


def _version_cursor(record: HistoryRecord) -> Cursor:
    return Cursor(value=record.version)


def _count(rows: Rows) -> int:
    return int(rows[0][0])
