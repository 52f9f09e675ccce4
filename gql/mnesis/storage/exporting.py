"""Reads a whole tenant or container in the order of its changes, as it was at one moment, in little memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from heapq import merge
from typing import Any

from sqlalchemy import ColumnElement, FromClause, LargeBinary, Select, and_, bindparam, cast, func, or_, select

from mnesis.complaints import Complaint
from mnesis.domain.caller import Caller
from mnesis.domain.decide import ARRIVALS_PER_CHANGE
from mnesis.storage.archive_lines import (
    CONTAINER_COLUMNS,
    End,
    container_line,
    end_line,
    header_line,
    memory_line,
    record_line,
)
from mnesis.storage.engines import Connection, Engine
from mnesis.storage.rows import HISTORY_COLUMNS, MEMORY_COLUMNS, Row
from mnesis.storage.statements import CONTAINER, HISTORY, MEMORY
from mnesis.storage.visibility import caller_parameters, compile_visible, visible

_CHANGE = HISTORY_COLUMNS.index("change")
_POSITION = HISTORY_COLUMNS.index("position")
_MEMORY_CHANGE = MEMORY_COLUMNS.index("change")
_ARRIVAL = MEMORY_COLUMNS.index("arrival")
# As bytes, since databases sort texts by the rules of different languages.
_BYTES_OF_ID = cast(CONTAINER.c.id, LargeBinary)
_LAST = 2**63
"""Later than every position in a change."""


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
        recorded = self._recorded()
        first_row = next(recorded, None)
        before_first = self._before_first(first_row)
        merged = merge(
            ([first_row] if first_row is not None else []),
            recorded,
            self._unrecorded(),
            key=lambda found: found[:2],
        )
        for _, _, record, memory in merged:
            if record is not None:
                yield "records", record_line(record, before_first=before_first)
            if memory is not None:
                yield "memories", memory_line(memory, before_first=before_first)

    def _containers(self) -> Iterator[Row]:
        found = select(*CONTAINER_COLUMNS).order_by(CONTAINER.c.created_at, _BYTES_OF_ID)
        return self._rows(found if self._whole else found.where(CONTAINER.c.id == bindparam("container")))

    def _recorded(self) -> Iterator[tuple[int, int, Row | None, Row | None]]:
        """Records in the order of the changes, with the memory beside the record of its last version."""
        current = visible(select(*MEMORY.columns)).subquery("current_version")
        joined = HISTORY.outerjoin(
            current, and_(current.c.id == HISTORY.c.memory_id, current.c.version == HISTORY.c.version)
        )
        found = select(*HISTORY.columns, *current.columns)
        if not self._whole:
            # A record belongs to where its memory is now; only where none is left, to where it was then.
            owner = visible(select(MEMORY.c.tenant_id, MEMORY.c.id, MEMORY.c.container_id)).subquery("owner")
            joined = joined.outerjoin(owner, owner.c.id == HISTORY.c.memory_id)
            found = found.where(or_(_in_container(owner), and_(owner.c.id.is_(None), _in_container(HISTORY))))
        found = found.select_from(joined).order_by(HISTORY.c.change, HISTORY.c.position)
        width = len(HISTORY_COLUMNS)
        for row in self._rows(found):
            memory = row[width:] if row[width] is not None else None
            yield row[_CHANGE], row[_POSITION], row[:width], memory

    def _unrecorded(self) -> Iterator[tuple[int, int, Row | None, Row | None]]:
        """Memories whose last version's record is no longer kept, in the order of their changes."""
        record = visible(select(HISTORY.c.memory_id, HISTORY.c.version)).subquery("record")
        joined = MEMORY.outerjoin(record, and_(record.c.memory_id == MEMORY.c.id, record.c.version == MEMORY.c.version))
        found = select(*MEMORY.columns).select_from(joined).where(record.c.memory_id.is_(None))
        if not self._whole:
            found = found.where(_in_container(MEMORY))
        for row in self._rows(found.order_by(MEMORY.c.change, MEMORY.c.arrival)):
            yield row[_MEMORY_CHANGE], _LAST, None, row

    def _before_first(self, first_row: tuple[int, int, Row | None, Row | None] | None) -> int:
        """The number before the first change that a record or an arrival names."""
        least = select(func.min(MEMORY.c.arrival))
        (arrival,) = next(self._rows(least if self._whole else least.where(_in_container(MEMORY))))
        named = [arrival // ARRIVALS_PER_CHANGE] if arrival is not None else []
        if first_row is not None:
            named.append(first_row[0])
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
