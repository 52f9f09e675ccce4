"""Reads a whole tenant or container in the order of its changes, as it was at one moment, in little memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from heapq import merge
from itertools import chain
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, FromClause, LargeBinary, Select, bindparam, cast, false, func, select

from mnesis.complaints import Complaint
from mnesis.domain.caller import Caller
from mnesis.domain.revise import ARRIVALS_PER_CHANGE
from mnesis.storage.archive_lines import CONTAINER_COLUMNS, End
from mnesis.storage.archive_writing import container_line, end_line, header_line, memory_line, record_line
from mnesis.storage.engines import Connection, Engine
from mnesis.storage.rows import HISTORY_COLUMNS, MEMORY_COLUMNS, Row
from mnesis.storage.statements import CONTAINER, HISTORY, MEMORY
from mnesis.storage.visibility import caller_parameters, compile_visible, visible

_MEMORY_ID = HISTORY_COLUMNS.index("memory_id")
_CONTAINER = HISTORY_COLUMNS.index("container_id")
_CHANGE = HISTORY_COLUMNS.index("change")
_POSITION = HISTORY_COLUMNS.index("position")
_MEMORY_CHANGE = MEMORY_COLUMNS.index("change")
_ARRIVAL = MEMORY_COLUMNS.index("arrival")
# As bytes, since databases sort texts by the rules of different languages.
_BYTES_OF_ID = cast(CONTAINER.c.id, LargeBinary)

_Placed: TypeAlias = tuple[int, int, int, Row]
"""A row and its place: the change, records before memories, and the place among those."""


class NothingToExport(Complaint):
    """There is no such tenant or container."""


class Export:
    """One tenant or container as it is when this is opened; see `exporting`."""

    def __init__(self, engine: Engine, connection: Connection, caller: Caller, container_id: str | None) -> None:
        self._engine = engine
        self._connection = connection
        self.end = End(containers=0, records=0, memories=0, sha256="")
        """What was exported, once the last line was taken."""
        self._values: dict[str, Any] = caller_parameters(caller)
        self._tenant = caller.tenant
        self._container_id = container_id
        self._whole = container_id is None
        if container_id is not None:
            self._values["container"] = container_id

    def count(self) -> int:
        """How many lines there will be, but for a few."""
        total = 0
        for table in (HISTORY, MEMORY):
            # By a record's own container, which is near enough and needs no look at its memory.
            found = select(func.count()).select_from(table)
            total += next(self._rows(found if self._whole else found.where(_in_container(table))))[0]
        return total

    def lines(self) -> Iterator[bytes]:
        """The lines of the archive. Raises `NothingToExport` before the first one."""
        containers = self._containers()
        first_container = next(containers, None)
        if first_container is None:
            if self._container_id is None:
                raise NothingToExport(f"There is no tenant {self._tenant}.")
            raise NothingToExport(f"There is no container {self._container_id} in the tenant {self._tenant}.")
        digest = sha256()
        counted = {"containers": 0, "records": 0, "memories": 0}
        for kind, line in self._body(first_container, containers):
            digest.update(line)
            if kind:
                counted[kind] += 1
            yield line
        self.end = End(**counted, sha256=digest.hexdigest())
        yield end_line(self.end)

    def _body(self, first_container: Row, containers: Iterator[Row]) -> Iterator[tuple[str, bytes]]:
        yield "", header_line(whole_tenant=self._whole)
        yield "containers", container_line(first_container)
        for container in containers:
            yield "containers", container_line(container)
        records = self._records()
        first = next(records, None)
        before_first = self._before_first(first)
        memories = ((row[_MEMORY_CHANGE], 1, row[_ARRIVAL], row) for row in self._memories())
        for _, of_memory, _, row in merge(chain([first] if first else [], records), memories, key=_place):
            if of_memory:
                yield "memories", memory_line(row, before_first=before_first)
            else:
                yield "records", record_line(row, before_first=before_first)

    def _containers(self) -> Iterator[Row]:
        found = select(*CONTAINER_COLUMNS).order_by(CONTAINER.c.created_at, _BYTES_OF_ID)
        if self._whole:
            return self._rows(found)  # Tombstones too, which memories refer to.
        return self._rows(found.where(CONTAINER.c.id == bindparam("container"), CONTAINER.c.deleted.is_(false())))

    def _records(self) -> Iterator[_Placed]:
        """Records in the order of the changes, and so of an index."""
        rows = self._rows(select(*HISTORY.columns).order_by(HISTORY.c.change, HISTORY.c.position))
        for row in rows if self._whole else self._own(rows):
            yield row[_CHANGE], 0, row[_POSITION], row

    def _memories(self) -> Iterator[Row]:
        found = select(*MEMORY.columns) if self._whole else select(*MEMORY.columns).where(_in_container(MEMORY))
        return self._rows(found.order_by(MEMORY.c.change, MEMORY.c.arrival))

    def _own(self, records: Iterator[Row]) -> Iterator[Row]:
        """The records of memories that are in the container now, wherever they were then, and those that were in it
        of memories of which nothing else is left.

        Where each memory is, is noted in a temporary database first. A join would be left to a planner that, where
        statistics are old, compares every record with every memory.
        """
        with closing(sqlite3.connect("", isolation_level=None)) as places:
            places.execute("PRAGMA journal_mode = OFF")
            places.execute("CREATE TABLE place (id TEXT PRIMARY KEY, container_id TEXT) WITHOUT ROWID")
            places.execute("BEGIN")
            now = self._rows(select(MEMORY.c.tenant_id, MEMORY.c.id, MEMORY.c.container_id))
            places.executemany("INSERT INTO place VALUES (?, ?)", (row[1:] for row in now))
            for row in records:
                place = places.execute("SELECT container_id FROM place WHERE id = ?", [row[_MEMORY_ID]]).fetchone()
                if (place[0] if place is not None else row[_CONTAINER]) == self._container_id:
                    yield row

    def _before_first(self, first: _Placed | None) -> int:
        """The number before the first change that a record or an arrival names."""
        least = select(func.min(MEMORY.c.arrival))
        (arrival,) = next(self._rows(least if self._whole else least.where(_in_container(MEMORY))))
        named = [arrival // ARRIVALS_PER_CHANGE] if arrival is not None else []
        if first is not None:
            named.append(first[0])
        return min(named, default=1) - 1

    def _rows(self, statement: Select[Any]) -> Iterator[Row]:
        compiled = compile_visible(visible(statement), self._engine.dialect)
        return iter(self._engine.stream(self._connection, compiled.text, {**compiled.fixed, **self._values}))


@contextmanager
def exporting(engine: Engine, caller: Caller, container_id: str | None) -> Iterator[Export]:
    """An export of a container, or of the whole tenant; what others write meanwhile does not show in it."""
    connection = engine.connect(read_only=True)
    try:
        engine.begin_snapshot(connection.cursor())
        yield Export(engine, connection, caller, container_id)
    finally:
        connection.close()


def _in_container(source: FromClause) -> ColumnElement[bool]:
    return source.c.container_id == bindparam("container")


def _place(placed: _Placed) -> tuple[int, int, int]:
    return placed[:3]
