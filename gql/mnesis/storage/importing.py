"""Takes an archive into an empty container, or an empty tenant, in transactions of bounded size.

The archive is read twice: first whole, to see that it is sound and fits (`Import.check`), then to write it. Every
transaction takes the tenant's next change numbers under the tenant's lock, as every other writer does, and a change
is never split, so that the order of changes holds for whoever watches the tenant meanwhile.

In every transaction a note is kept of the change numbers that are the import's. It is what an import that fails
removes its traces by; where it could not (a killed process, a database that went away), the next import does.
"""

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import IO, Any

import orjson
from sqlalchemy import BigInteger, Delete, Select, bindparam, or_, select

from mnesis.complaints import Complaint
from mnesis.domain.caller import Caller
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.revise import ARRIVALS_PER_CHANGE
from mnesis.storage.archive_checks import Archive, BadArchive, NumberedLine, check_archive, read_lines
from mnesis.storage.archive_lines import (
    CONTAINER_COLUMNS,
    ArchivedContainer,
    ArchivedRecord,
    End,
    Header,
    new_container,
    stored_container,
)
from mnesis.storage.compiling import compiled_for
from mnesis.storage.embedding_statements import due_statement
from mnesis.storage.engines import Connection, DriverCursor, Engine, WriteStatement
from mnesis.storage.instants import to_microseconds
from mnesis.storage.quotas import QuotaKeeper, quotas_from
from mnesis.storage.rows import memory_row
from mnesis.storage.search_index import search_row
from mnesis.storage.search_statements import SearchWriteStatements
from mnesis.storage.statements import CONTAINER, HISTORY, IDEMPOTENCY, MEMORY, WriteStatements
from mnesis.storage.visibility import TENANT, VisibleStatement, caller_parameters, compile_of_tenant, of_tenant

ROWS_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 2**20
"""How much is handed to the database at once; a transaction ends with the change in which it passed this."""
RUNNING_S = 60.0
"""An import that wrote less than this long ago may still be running."""
PAUSE_S = 0.01
"""Between transactions: SQLite has no queue of writers, and others come in only while nobody holds the lock."""
REMOVAL_ATTEMPTS = 5

_NOTED_BY = "mnesis import"
_WHOLE_TENANT = "tenant"
# Kept among the answers to idempotency keys, which are removed when they are old; this one is not for that.
_NEVER_OLD = 2**62

log = logging.getLogger("mnesis.storage")


class CannotImport(Complaint):
    """The archive cannot be taken in here. Nothing was written."""


class ImportStopped(Complaint):
    """The import failed midway; the text says what became of what it had written."""


@dataclass(slots=True, kw_only=True)
class _Note:
    """What the database knows of an import under way."""

    key: str
    ranges: list[list[int]] = field(default_factory=list)
    """First and last of the change numbers that are the import's, in order."""
    containers: list[str] = field(default_factory=list)
    """Those that the import made."""
    at: int = 0
    run: str = ""
    finishing: bool = False

    def take(self, first: int, last: int) -> None:
        if self.ranges and self.ranges[-1][1] == first - 1:
            self.ranges[-1][1] = last
        else:
            self.ranges.append([first, last])

    def text(self) -> str:
        return orjson.dumps(
            {"ranges": self.ranges, "containers": self.containers, "at": self.at, "run": self.run}
        ).decode()


class _Statements:
    """What an import asks and writes."""

    def __init__(self, engine: Engine, *, embeds: bool) -> None:
        def asked(statement: Select[Any]) -> VisibleStatement:
            return compile_of_tenant(of_tenant(statement), engine.dialect)

        def removed(statement: Delete) -> str:
            return str(statement.compile(dialect=engine.dialect))

        self.lock = compiled_for(WriteStatements, engine).take_changes
        self.new_containers = engine.write_statement(CONTAINER, over=False)
        self.put_containers = engine.write_statement(CONTAINER, over=True)
        self.new_memories = engine.write_statement(MEMORY, over=False)
        self.new_records = engine.write_statement(HISTORY, over=False)
        self.put_search = compiled_for(SearchWriteStatements, engine).put
        self.put_due = compiled_for(due_statement, engine) if embeds else None
        self.put_note = engine.write_statement(IDEMPOTENCY, over=True)
        one = bindparam("one", type_=BigInteger)
        in_container = MEMORY.c.container_id == bindparam("container")
        self.memory_in = asked(select(MEMORY.c.id).where(in_container).limit(one))
        self.memory = asked(select(MEMORY.c.id).limit(one))
        self.record = asked(select(HISTORY.c.memory_id).limit(one))
        self.taken = [
            (kind, asked(select(column).where(engine.among(column, "ids"))))
            for kind, column in (
                ("a memory", MEMORY.c.id), ("a memory", HISTORY.c.memory_id), ("a container", CONTAINER.c.id),
            )
        ]  # fmt: skip
        self.containers = asked(select(CONTAINER.c.id).where(engine.among(CONTAINER.c.id, "ids")))
        self.stored_containers = asked(select(*CONTAINER_COLUMNS).where(engine.among(CONTAINER.c.id, "ids")))
        noted = IDEMPOTENCY.c.subject == bindparam("subject")
        self.notes = asked(select(IDEMPOTENCY.c.key, IDEMPOTENCY.c.answer).where(noted))
        own = IDEMPOTENCY.c.tenant_id == bindparam(TENANT)
        self.drop_note = removed(IDEMPOTENCY.delete().where(own, noted, IDEMPOTENCY.c.key == bindparam("key")))
        # A memory's arrival stays, whoever changed it meanwhile.
        arrived = MEMORY.c.arrival.between(bindparam("first_arrival"), bindparam("last_arrival"))
        theirs = HISTORY.c.memory_id.in_(of_tenant(select(MEMORY.c.id).where(arrived)))
        in_range = HISTORY.c.change.between(bindparam("first"), bindparam("last"))
        in_tenant = HISTORY.c.tenant_id == bindparam(TENANT)
        self.drop_records = removed(HISTORY.delete().where(in_tenant, or_(in_range, theirs)))
        self.drop_memories = removed(MEMORY.delete().where(MEMORY.c.tenant_id == bindparam(TENANT), arrived))
        self.drop_containers = removed(
            CONTAINER.delete().where(
                CONTAINER.c.tenant_id == bindparam(TENANT),
                engine.among(CONTAINER.c.id, "ids"),
                CONTAINER.c.id.not_in(of_tenant(select(MEMORY.c.container_id))),
            )
        )


class _Shifts:
    """From the numbers of changes in an archive to those of the tenant."""

    def __init__(self) -> None:
        self._from: list[int] = []
        self._by: list[int] = []

    def shift(self, first: int, by: int) -> None:
        """From ``first`` on, numbers are greater by this much."""
        if not self._by or self._by[-1] != by:
            self._from.append(first)
            self._by.append(by)

    def new(self, change: int) -> int:
        return change + self._by[bisect_right(self._from, change) - 1]


class Import:
    """One archive on its way into a tenant; ``container_id`` names the container that it becomes."""

    def __init__(
        self, engine: Engine, limits: Limits, caller: Caller, container_id: str | None, *, embeds: bool = False
    ) -> None:
        """``embeds`` has the memories marked for embedding."""
        self._engine = engine
        self._limits = limits
        self._tenant = caller.tenant
        self._values = caller_parameters(caller)
        self._container_id = container_id
        self._statements = _Statements(engine, embeds=embeds)
        self._run = f"{time.time_ns()}"
        self._archive: Archive | None = None
        self._target: str | None = None

    def prepare(self, source: IO[bytes]) -> bool:
        """Sees where the archive goes and that nothing is there; removes what an interrupted import left behind.

        Whether there was anything to remove. Raises `CannotImport`, also where another import may still be running,
        and `BadArchive` where the file begins as no archive does.
        """
        source.seek(0)
        match [numbered.line for numbered in islice(read_lines(source, self._limits), 2)]:
            case [Header(whole_tenant=True), ArchivedContainer()]:
                if self._container_id is not None:
                    raise CannotImport("The file holds a whole tenant: leave out --container.")
            case [Header(), ArchivedContainer() as container]:
                self._target = self._container_id or container.id
            case _:
                return False  # The check says what is wrong with it.
        removed = False
        with self._connected(read_only=True) as connection:
            cursor = connection.cursor()
            if self._notes(cursor):
                removed = self._remove(self._is_left_behind)
            self._refuse_taken(cursor, self._target)
        return removed

    def check(self, source: IO[bytes], *, advance: Callable[[int], None] = lambda read_bytes: None) -> Archive:
        """Reads the archive to its end, and sees that no id is taken. Raises `BadArchive` or `CannotImport`."""
        source.seek(0)
        with self._connected(read_only=True) as connection:
            cursor = connection.cursor()
            self._archive = check_archive(
                source, self._limits, look=lambda lines: self._look(cursor, lines), advance=advance
            )
        return self._archive

    def write(self, source: IO[bytes], *, advance: Callable[[int], None] = lambda read_bytes: None) -> None:
        """Writes the archive that `check` found sound. Raises `CannotImport` or `ImportStopped`."""
        note = _Note(key=_key(self._target), run=self._run)
        try:
            with self._connected(read_only=False) as connection:
                self._write(connection, source, note, advance)
        except BaseException as fault:
            if isinstance(fault, ImportStopped) or (isinstance(fault, CannotImport) and not note.at):
                raise
            self._undo(note, fault)

    def _write(self, connection: Connection, source: IO[bytes], note: _Note, advance: Callable[[int], None]) -> None:
        writing = _Writing(self._engine, self._statements, self._tenant, connection.cursor())
        containers: list[ArchivedContainer] = []
        shifts = _Shifts()
        done = last = 0
        end: End | None = None
        self._begin(writing, note)
        shifts.shift(1, writing.base)
        source.seek(0)
        for numbered in read_lines(source, self._limits):
            line = self._placed(numbered)
            advance(numbered.size)
            match line:
                case ArchivedContainer():
                    containers.append(line)
                    self._open_container(writing, note, line)
                case ArchivedRecord() | Memory():
                    if line.change != last and writing.is_full:
                        self._commit(writing, note, last - done)
                        done = last
                        time.sleep(PAUSE_S)
                        self._begin(writing, note)
                        shifts.shift(done + 1, writing.base - done)
                    last = line.change
                    writing.add(line, shifts, numbered.size)
                case End():
                    end = line
        if self._archive is None or end != self._archive.end:
            raise BadArchive("The file changed while it was read.")
        self._commit(writing, note, last - done)
        self._finish(writing, note, containers)

    def _finish(self, writing: "_Writing", note: _Note, containers: list[ArchivedContainer]) -> None:
        """Settings come last, so that they are as they were if anything went wrong. The note goes with the commit,
        and whether it is gone is what tells that the import is complete."""
        self._begin(writing, note)
        for start in range(0, len(containers), ROWS_AT_ONCE):
            part = containers[start : start + ROWS_AT_ONCE]
            ids = self._engine.texts([container.id for container in part])
            found = map(stored_container, self._asked(writing.cursor, self._statements.stored_containers, ids=ids))
            stored = {container.id: container for container in found}
            rows = [container.over(stored.get(container.id, container)).row(self._tenant) for container in part]
            self._engine.write(writing.cursor, self._statements.put_containers, rows)
        writing.cursor.execute(self._statements.drop_note, {**self._values, "subject": _NOTED_BY, "key": note.key})
        self._recount(writing.cursor, writing.quota)
        note.finishing = True
        writing.cursor.execute("COMMIT")

    def _begin(self, writing: "_Writing", note: _Note) -> None:
        """Begins a transaction and takes the tenant's lock. In the first one, looks again whether the place is free."""
        self._engine.begin(writing.cursor)
        started = _now()
        writing.cursor.execute(self._statements.lock, {TENANT: self._tenant, "count": 0, "now": started})
        change, created_at, _, quota = writing.cursor.fetchone()
        writing.quota = quota
        writing.begin(change)
        if not note.at:
            self._refuse_taken(writing.cursor, self._target)
            if change == 0 and created_at == started:
                default = new_container(DEFAULT_CONTAINER, created_at=started)
                self._engine.write(writing.cursor, self._statements.new_containers, [default.row(self._tenant)])
        elif not any(found.run == self._run for found in self._notes(writing.cursor)):
            raise ImportStopped("Another import into the same place removed what this one had written.")

    def _commit(self, writing: "_Writing", note: _Note, changes: int) -> None:
        writing.flush()
        if changes:
            note.take(writing.base + 1, writing.base + changes)
        note.at = _now()
        row = [self._tenant, _NOTED_BY, note.key, "", note.text(), _NEVER_OLD]
        self._engine.write(writing.cursor, self._statements.put_note, [row])
        writing.cursor.execute(self._statements.lock, {TENANT: self._tenant, "count": changes, "now": note.at})
        writing.cursor.fetchone()
        writing.cursor.execute("COMMIT")

    def _open_container(self, writing: "_Writing", note: _Note, container: ArchivedContainer) -> None:
        ids = self._engine.texts([container.id])
        if not self._asked(writing.cursor, self._statements.containers, ids=ids):
            self._engine.write(writing.cursor, self._statements.new_containers, [container.row(self._tenant)])
            note.containers.append(container.id)

    def _placed(self, numbered: NumberedLine) -> Any:
        """The line with the container's new id, where it gets one."""
        line, target = numbered.line, self._target
        was = self._archive.container_id if self._archive is not None else None
        if target is None or was is None or target == was:
            return line
        match line:
            case ArchivedContainer():
                return line.renamed(target)
            case ArchivedRecord():
                return line.in_container(was, target)
            case Memory():
                return replace(line, container_id=target)
            case _:
                return line

    def _look(self, cursor: DriverCursor, lines: list[NumberedLine]) -> None:
        """Refuses ids that something in the tenant, or the container to be made, has."""
        ids = {
            each.line.id if isinstance(each.line, Memory) else each.line.memory_id: each.number
            for each in reversed(lines)
            if isinstance(each.line, Memory | ArchivedRecord)
        }
        if self._container_id in ids:
            raise CannotImport(f"Line {ids[self._container_id]} has the id {self._container_id}, as the container has.")
        for kind, statement in self._statements.taken:
            found = self._asked(cursor, statement, ids=self._engine.texts(list(ids)))
            taken = sorted(ids[row[0]] for row in found)
            if taken:
                its_id = next(memory_id for memory_id, number in ids.items() if number == taken[0])
                raise CannotImport(
                    f"Line {taken[0]} has the id {its_id}, which {kind} in the tenant {self._tenant} has already."
                )

    def _refuse_taken(self, cursor: DriverCursor, target: str | None) -> None:
        questions = [self._statements.memory, self._statements.record]
        values: dict[str, Any] = {"one": 1}
        place = f"The tenant {self._tenant}"
        if target is not None:
            questions = [self._statements.memory_in]
            values["container"] = target
            place = f"The container {target} of the tenant {self._tenant}"
        for question in questions:
            if self._asked(cursor, question, **values):
                raise CannotImport(f"{place} is not empty; deleted memories count too, as long as they leave a trace.")
        if target is not None and self._asked(cursor, self._statements.taken[0][1], ids=self._engine.texts([target])):
            raise CannotImport(f"A memory of the tenant {self._tenant} has the id {target} already.")

    def _is_left_behind(self, note: _Note) -> bool:
        """Whether an import that is no longer running wrote where this one is to write."""
        if self._target is not None and note.key not in (_WHOLE_TENANT, _key(self._target)):
            return False
        idle_s = (_now() - note.at) / 1e6
        if idle_s < RUNNING_S:
            raise CannotImport(
                f"An import into the same place wrote {idle_s:.0f} seconds ago and may be running;"
                f" if it is not, try again in {RUNNING_S - idle_s:.0f} seconds."
            )
        return True

    def _notes(self, cursor: DriverCursor) -> list[_Note]:
        found = self._asked(cursor, self._statements.notes, subject=_NOTED_BY)
        return [_Note(key=key, **orjson.loads(answer)) for key, answer in found]

    def _asked(self, cursor: DriverCursor, statement: VisibleStatement, **values: Any) -> list[Any]:
        cursor.execute(statement.text, {**statement.fixed, **self._values, **values})
        rows: list[Any] = cursor.fetchall()
        return rows

    def _undo(self, note: _Note, fault: BaseException) -> None:
        """Removes what was committed and says so, unless all of it was."""
        log.debug("An import failed.", exc_info=fault)
        for attempt in range(1, REMOVAL_ATTEMPTS + 1):
            try:
                found = self._remove(lambda left: left.run == self._run)
                break
            except Exception as again:
                if attempt == REMOVAL_ATTEMPTS:
                    raise ImportStopped(
                        f"The import stopped: {_reason(fault)}. What it had written could not be removed"
                        f" ({_reason(again)}); the next import into the same place removes it first."
                    ) from fault
                time.sleep(attempt)
        if note.finishing and not found:
            return  # Only the answer to the last COMMIT was lost.
        if not isinstance(fault, Exception):
            raise fault
        raise ImportStopped(f"The import stopped, and nothing of it is left: {_reason(fault)}.") from fault

    def _remove(self, choose: Callable[[_Note], bool]) -> bool:
        """Removes in one transaction what chosen imports wrote, and their notes; whether there were any.

        What is removed follows from the notes in the database alone: numbers of changes that were taken in a
        transaction that never was may be somebody else's by now.
        """
        with self._connected(read_only=False) as connection:
            cursor = connection.cursor()
            self._engine.begin(cursor)
            cursor.execute(self._statements.lock, {TENANT: self._tenant, "count": 0, "now": _now()})
            quota = cursor.fetchone()[-1]
            notes = [note for note in self._notes(cursor) if choose(note)]
            for note in notes:
                self._remove_noted(cursor, note)
            self._recount(cursor, quota)
            # A tenant that the question itself made goes with the transaction.
            cursor.execute("COMMIT" if notes else "ROLLBACK")
        return bool(notes)

    def _recount(self, cursor: DriverCursor, quota: str | None) -> None:
        """An import is the operator's and no quota stops it; it counts all the same."""
        if quota is not None:
            QuotaKeeper(self._engine).recount(cursor, self._tenant, *quotas_from(quota))

    def _remove_noted(self, cursor: DriverCursor, note: _Note) -> None:
        for first, last in note.ranges:
            arrivals = {
                TENANT: self._tenant,
                "first_arrival": first * ARRIVALS_PER_CHANGE,
                "last_arrival": (last + 1) * ARRIVALS_PER_CHANGE - 1,
            }
            cursor.execute(self._statements.drop_records, {**arrivals, "first": first, "last": last})
            cursor.execute(self._statements.drop_memories, arrivals)
        made = self._engine.texts([each for each in note.containers if each != DEFAULT_CONTAINER])
        cursor.execute(self._statements.drop_containers, {**self._values, "ids": made})
        cursor.execute(self._statements.drop_note, {**self._values, "subject": _NOTED_BY, "key": note.key})

    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[Connection]:
        connection = self._engine.connect(read_only=read_only)
        try:
            yield connection
        finally:
            # In so many words: SQLite keeps the lock of a closed connection while somebody refers to a statement of it.
            with suppress(Exception):
                connection.rollback()
            with suppress(Exception):
                connection.close()


class _Writing:
    """A transaction, and the rows that are not yet handed to the database."""

    def __init__(self, engine: Engine, statements: _Statements, tenant: str, cursor: DriverCursor) -> None:
        self.cursor = cursor
        self.base = 0
        self.quota: str | None = None
        self._engine = engine
        self._statements = statements
        self._tenant = tenant
        self._memories: list[Memory] = []
        self._records: list[list[Any]] = []
        self._weight = 0
        self._rows_in_all = 0
        self._bytes_in_all = 0

    @property
    def is_full(self) -> bool:
        return self._rows_in_all >= ROWS_AT_ONCE or self._bytes_in_all >= BYTES_AT_ONCE

    def begin(self, base: int) -> None:
        """``base`` is the tenant's last change number."""
        self.base = base
        self._rows_in_all = self._bytes_in_all = 0

    def add(self, line: Memory | ArchivedRecord, shifts: _Shifts, size: int) -> None:
        """Takes a line; a change may hold more of them than are held here."""
        change = shifts.new(line.change)
        if isinstance(line, Memory):
            created_in, position = divmod(line.arrival, ARRIVALS_PER_CHANGE)
            arrival = shifts.new(created_in) * ARRIVALS_PER_CHANGE + position
            self._memories.append(replace(line, change=change, arrival=arrival))
        else:
            self._records.append(line.row(self._tenant, change))
        self._rows_in_all += 1
        self._bytes_in_all += size
        self._weight += size
        if len(self._memories) + len(self._records) >= ROWS_AT_ONCE or self._weight >= BYTES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        self._refuse_containers()
        self._hand_over(self._statements.new_records, self._records)
        self._hand_over(self._statements.new_memories, [memory_row(self._tenant, each) for each in self._memories])
        # An import that is undone takes these along: they hang on their memories.
        live = [search_row(self._tenant, each) for each in self._memories if not each.deleted]
        if live:
            self._statements.put_search(self.cursor, live)
        if self._statements.put_due is not None:
            # Behind what is written meanwhile, so that others need not wait for a large import.
            due = [[self._tenant, each.id, each.version, _now()] for each in self._memories if not each.deleted]
            self._hand_over(self._statements.put_due, due)
        self._records.clear()
        self._memories.clear()
        self._weight = 0

    def _refuse_containers(self) -> None:
        """Refuses ids that containers have got since the archive was checked; no constraint of the tables does."""
        if not self._memories:
            return
        statement = self._statements.containers
        ids = self._engine.texts([memory.id for memory in self._memories])
        self.cursor.execute(statement.text, {**statement.fixed, TENANT: self._tenant, "ids": ids})
        for (container_id,) in self.cursor.fetchall():
            raise CannotImport(f"A container of the tenant {self._tenant} has got the id {container_id} meanwhile.")

    def _hand_over(self, statement: WriteStatement, rows: list[list[Any]]) -> None:
        if rows:
            self._engine.write(self.cursor, statement, rows)


def _key(target: str | None) -> str:
    return _WHOLE_TENANT if target is None else f"container {target}"


def _reason(fault: BaseException) -> str:
    """The driver's own words, of one line."""
    lines = str(fault).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(fault).__name__


def _now() -> int:
    return to_microseconds(datetime.now(UTC))
