"""What retention asks of the database, on a connection of its own: a run holds up no request."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.domain.memory_types import MemoryType
from mnesis.domain.retention import AgingRecord, LastChange
from mnesis.storage.aging_statements import AgingStatements
from mnesis.storage.compiling import compiled_for
from mnesis.storage.container_rows import retention_from
from mnesis.storage.engines import Connection, DriverCursor, Engine
from mnesis.storage.instants import from_microseconds, to_microseconds
from mnesis.storage.pruning import PruningMark
from mnesis.storage.reader import RETENTION, Reader, Rows
from mnesis.storage.removal_statements import RemovalStatements
from mnesis.storage.transaction import Transactions
from mnesis.storage.visibility import TENANT, VisibleStatement, caller_parameters
from mnesis.usecases.metering import UNMETERED, Meter
from mnesis.usecases.ports import Cursor, StoreFault
from mnesis.usecases.retention_ports import Aged, Aging, Policy, RecordCut

log = logging.getLogger("mnesis.storage")

LOCK = 0x6D6E65736973_72
"""The key of the advisory lock: "mnesisr" in ASCII."""

RunInLane = Callable[[Caller, Callable[[DriverCursor], int]], Awaitable[int]]
"""Runs a job of the caller's tenant in a transaction of its own; see `Lane.run`."""

_BEFORE_ALL = -(2**62)


class AgingHistory:
    """The `AgingStore` of a database."""

    def __init__(self, engine: Engine, transactions: Transactions, run: RunInLane, meter: Meter = UNMETERED) -> None:
        self._engine = engine
        self._transactions = transactions
        self._run = run
        self._statements = compiled_for(AgingStatements, engine)
        self._entry_counts = compiled_for(RemovalStatements, engine).entry_counts[False]
        self._mark = PruningMark(engine)
        self._reader = Reader(engine, threads=1, meter=meter)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """On PostgreSQL by a lock that ends with its connection. SQLite serves one process; a command beside it may
        run at the same time, which does no harm."""
        if self._engine.dialect.name != "postgresql":
            yield True
            return
        held = _Held(self._engine)
        try:
            yield await asyncio.to_thread(held.take)
        finally:
            await asyncio.to_thread(held.leave)

    async def tenants(self, after: str, size: int) -> Sequence[str]:
        rows = await self._rows(None, self._statements.tenants, {"after": after, "size": size})
        return [row[0] for row in rows]

    async def has_tenant(self, tenant: str) -> bool:
        return bool(await self._rows(None, self._statements.tenant, {"id": tenant}))

    async def policies(self, caller: Caller, after: str, size: int) -> Sequence[Policy]:
        rows = await self._rows(caller, self._statements.policies, {"after": after, "size": size})
        return list(map(_policy, rows))

    async def policy(self, caller: Caller, container_id: str) -> Policy | None:
        rows = await self._rows(caller, self._statements.policy, {"id": container_id})
        return _policy(rows[0]) if rows else None

    async def last_of_count(self, caller: Caller, aging: Aging, count: int) -> LastChange | None:
        statement = self._statements.last_of_count(aging.memory_type is MemoryType.WORKING)
        rows = await self._rows(caller, statement, {**_values(aging), "skipped": count - 1})
        return LastChange(from_microseconds(rows[0][0]), rows[0][1]) if rows else None

    async def aged(
        self, caller: Caller, aging: Aging, kept_from: LastChange, *, after: LastChange | None, size: int
    ) -> Sequence[Aged]:
        statement = self._statements.aged(aging.memory_type is MemoryType.WORKING, after is not None)
        values = {**_values(aging), **_place("kept", kept_from), "size": size}
        if after is not None:
            values |= _place("after", after)
        rows = await self._rows(caller, statement, values)
        counted: Mapping[str, int] = {}
        if rows and aging.memory_type is MemoryType.SESSION:
            ids = {"ids": self._engine.texts([row[0] for row in rows])}
            counted = {row[0]: int(row[1]) for row in await self._rows(caller, self._entry_counts, ids)}
        return [
            Aged(id=row[0], place=LastChange(from_microseconds(row[1]), row[2]), entries=counted.get(row[0], 0))
            for row in rows
        ]

    async def records(
        self, caller: Caller, container_id: str, *, after: Cursor | None, size: int
    ) -> Sequence[AgingRecord]:
        values: dict[str, Any] = {"container": container_id, "size": size}
        if after is not None:
            values |= {"after_value": after.value, "after_tie": after.tie}
        rows = await self._rows(caller, self._statements.records(after is not None), values)
        return [
            AgingRecord(
                memory_id=row[0],
                version=row[1],
                change=row[2],
                position=row[3],
                created_at=from_microseconds(row[4]),
                newest_version=row[5],
                deleted=bool(row[6]),
            )
            for row in rows
        ]

    async def cut(self, caller: Caller, cuts: Collection[RecordCut], *, deleted_before: datetime | None) -> int:
        given = tuple(cuts)
        return await self._run(caller, lambda cursor: self._cut(cursor, caller.tenant, given, deleted_before))

    def close(self) -> None:
        """Interrupts what is being asked, for which nobody waits any more. Blocks."""
        self._reader.interrupt()
        self._reader.close()

    def _cut(
        self, cursor: DriverCursor, tenant: str, cuts: Sequence[RecordCut], deleted_before: datetime | None
    ) -> int:
        # The tenant's lock first, so that nothing is restored from what goes; no change is made that has a number.
        self._transactions.take_changes(cursor, tenant, 0, self._transactions.now())
        kept = self._cut_memories(cursor, tenant, [cut.memory_id for cut in cuts if cut.with_memory], deleted_before)
        rows = [
            # A tombstone that stays keeps the record of its deletion, by which the next run finds it.
            {
                TENANT: tenant,
                "memory": cut.memory_id,
                "upto": cut.version - (cut.memory_id in kept),
                "last": cut.change,
            }
            for cut in cuts
        ]
        cursor.executemany(self._statements.cut_records, rows)
        removed: int = cursor.rowcount
        self._mark.set(cursor, tenant, max(cut.change for cut in cuts))
        return removed

    def _cut_memories(
        self, cursor: DriverCursor, tenant: str, gone: Sequence[str], deleted_before: datetime | None
    ) -> set[str]:
        """Removes tombstones; gives those that have to stay, such as a session's of which there are entries."""
        if not gone or deleted_before is None:
            return set()
        ids = {TENANT: tenant, "ids": self._engine.texts(gone)}
        # Twice, since entries may go with their session.
        for _ in range(2):
            cursor.execute(self._statements.cut_memories, {**ids, "deleted_before": to_microseconds(deleted_before)})
        cursor.execute(self._statements.tombstones.text, {**self._statements.tombstones.fixed, **ids})
        return {row[0] for row in cursor.fetchall()}

    async def _rows(self, caller: Caller | None, statement: VisibleStatement, values: Mapping[str, Any]) -> Rows:
        parameters = {**(caller_parameters(caller) if caller is not None else {}), **values}
        return await self._reader.hop(lambda ask: ask(statement, parameters), kind=RETENTION)


class _Held:
    """A lock of the whole database, taken and left in threads."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._guard = threading.Lock()
        self._over = False
        self._connection: Connection | None = None

    def take(self) -> bool:
        """Raises `StoreFault`."""
        with self._guard:
            # Whoever waited for it may have gone before the thread began.
            if self._over:
                return False
            try:
                self._connection = self._engine.connect(read_only=True)
                [(taken,)] = self._connection.execute("SELECT pg_try_advisory_lock(%s)", [LOCK]).fetchall()
            except Exception as fault:
                raise StoreFault(f"{type(fault).__name__}: {fault}") from fault
            return bool(taken)

    def leave(self) -> None:
        with self._guard:
            self._over = True
            if self._connection is None:
                return
            try:
                # The server would notice that the connection is gone only a moment later.
                self._connection.execute("SELECT pg_advisory_unlock_all()")
            except Exception as fault:
                log.warning("The lock of retention ends with its connection: %s", fault)
            self._connection.close()


def _policy(row: Sequence[Any]) -> Policy:
    return Policy(container_id=row[0], retention=retention_from(row[1]))


def _values(aging: Aging) -> dict[str, Any]:
    values: dict[str, Any] = {"container": aging.container_id, "memory_type": aging.memory_type.value}
    if aging.memory_type is MemoryType.WORKING:
        values |= {"sessions_value": _BEFORE_ALL, "sessions_tie": 0}
        if aging.sessions_from is not None:
            values |= _place("sessions", aging.sessions_from)
    return values


def _place(name: str, place: LastChange) -> dict[str, int]:
    return {f"{name}_value": to_microseconds(place.at), f"{name}_tie": place.arrival}
