"""One transaction of a removal by filter: what is still aimed at is removed, and what was done is remembered."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mnesis.domain.caller import Caller
from mnesis.domain.commands import Batch, BatchOutcome, Delete, Idempotency
from mnesis.domain.decide import Decision
from mnesis.domain.erasure import erase
from mnesis.domain.memory import EMPTY_VALUES, Memory
from mnesis.domain.memory_types import MemoryType, WriteMode, WriteStatus
from mnesis.domain.quotas import Usage
from mnesis.storage.answers import answer_text
from mnesis.storage.compiling import compiled_for
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.filtering import sought
from mnesis.storage.instants import from_microseconds, to_microseconds
from mnesis.storage.quotas import QuotaKeeper, allowance_from
from mnesis.storage.removal_statements import FIXED_COLUMNS, RemovalStatements
from mnesis.storage.search_statements import SearchWriteStatements
from mnesis.storage.statements import WriteStatements
from mnesis.storage.stored_memory import whole_memory_from
from mnesis.storage.transaction import ANSWERS_KEPT, Transactions
from mnesis.storage.visibility import TENANT, VisibleStatement, caller_parameters
from mnesis.usecases.ports import Removal, RemovalCounts, RemovalStep

REMOVED = "removed"
"""Where the answer to a removal stands in the stored JSON, beside what every stored answer has."""


class Removing:
    """Runs the steps of removals inside transactions that a lane begins and ends."""

    def __init__(self, engine: Engine, transactions: Transactions) -> None:
        self._engine = engine
        self._transactions = transactions
        self._statements = compiled_for(RemovalStatements, engine)
        self._writes = compiled_for(WriteStatements, engine)

    def step(
        self,
        cursor: DriverCursor,
        caller: Caller,
        removal: Removal,
        ids: Collection[str],
        *,
        found: str | None,
        last: bool,
    ) -> RemovalStep:
        """See `mnesis.usecases.ports.MemoryRemover.remove`."""
        step = _Step(self._engine, self._transactions, self._statements, self._writes, cursor, caller)
        return step.run(removal, ids, found, last)


class _Step:
    """One transaction."""

    def __init__(
        self,
        engine: Engine,
        transactions: Transactions,
        statements: RemovalStatements,
        writes: WriteStatements,
        cursor: DriverCursor,
        caller: Caller,
    ) -> None:
        self._engine = engine
        self._transactions = transactions
        self._statements = statements
        self._writes = writes
        self._cursor = cursor
        self._tenant = caller.tenant
        self._caller = caller
        self._now = transactions.now()

    def run(self, removal: Removal, ids: Collection[str], found: str | None, last: bool) -> RemovalStep:
        takes = 1 if removal.erases and ids else 0
        # The lock first: what is read after it stays so until the commit.
        change, _, quota = self._transactions.take_changes(self._cursor, self._tenant, takes, self._now)
        before = RemovalCounts()
        if (key := removal.idempotency) is not None:
            stored = self._stored(removal.actor, key)
            if stored is not None:
                fingerprint, answer = stored
                if fingerprint != key.fingerprint or answer is None:
                    return RemovalStep(conflict=True)
                before = RemovalCounts(**answer["counts"])
                if answer["settled"]:
                    return RemovalStep(total=before, settled=True)
        removed = RemovalCounts()
        if ids:
            memories = self._aimed_at(removal, ids, found)
            removed = (
                self._erased(removal, memories, found, change, quota)
                if removal.erases
                else self._deleted(removal, memories)
            )
        if last and removal.erases:
            self._cursor.execute(self._statements.forget_answers, {TENANT: self._tenant})
            for statement in compiled_for(SearchWriteStatements, self._engine).forget:
                self._cursor.execute(statement)
        if key is None:
            return RemovalStep(removed=removed)
        total = before.plus(removed)
        self._remember(removal.actor, key, total, settled=last)
        return RemovalStep(removed=removed, total=total)

    def _aimed_at(self, removal: Removal, ids: Collection[str], found: str | None) -> list[Memory]:
        """Those of the memories that are to be removed still, without their content."""
        given = {"ids": self._engine.texts(ids)}
        if found is not None:
            rows = self._rows(self._statements.found[removal.erases], {**given, "session": found})
        else:
            wanted = sought(removal.filter, self._engine)
            rows = self._rows(self._statements.aimed_at(wanted.shape, removal.erases), {**wanted.values, **given})
        return list(map(_bare, rows))

    def _deleted(self, removal: Removal, memories: list[Memory]) -> RemovalCounts:
        if not memories:
            return RemovalCounts()
        # Entries before the session that would take them along, so that each is counted once.
        memories.sort(key=lambda memory: memory.type is MemoryType.SESSION)
        batch = Batch(
            commands=tuple(Delete(memory_type=memory.type, id=memory.id) for memory in memories),
            mode=WriteMode.PER_ENTRY,
            actor=removal.actor,
            reason=removal.reason,
            caller=self._caller,
        )
        [outcome] = self._transactions.apply(self._cursor, self._tenant, [batch]).outcomes
        counted = Counter(
            memory.type
            for memory, each in zip(memories, outcome.outcomes, strict=True)
            if each.status is WriteStatus.DELETED
        )
        counted[MemoryType.WORKING] += sum(outcome.cascaded.values())
        return removal_counts(counted, 0)

    def _erased(
        self, removal: Removal, memories: list[Memory], found: str | None, change: int, quota: str | None
    ) -> RemovalCounts:
        gone = {memory.id: memory for memory in memories}
        sessions = [memory.id for memory in memories if memory.type is MemoryType.SESSION]
        if sessions:
            rows = self._rows(self._statements.entries_of, {"ids": self._engine.texts(sessions)})
            gone.update((memory.id, memory) for memory in map(_bare, rows))
        if not gone:
            return RemovalCounts()
        after, records = erase(
            list(gone.values()),
            self._left_behind(gone.values(), {*sessions, found}),
            change=change,
            now=self._now,
            actor=removal.actor,
            reason=removal.reason,
        )
        ids = {"ids": self._engine.texts(gone)}
        if quota is not None:
            self._give_back(quota, ids["ids"])
        self._cursor.execute(self._statements.forget_history, {TENANT: self._tenant, **ids})
        forgotten = self._cursor.rowcount
        decision = Decision(outcome=BatchOutcome(outcomes=()), memories=tuple(after), records=tuple(records))
        self._transactions.write(self._cursor, self._tenant, [decision])
        return removal_counts(Counter(memory.type for memory in gone.values()), forgotten)

    def _give_back(self, quota: str, ids: Any) -> None:
        """What is erased counts no more."""
        keeper = QuotaKeeper(self._engine)
        used = keeper.used_by(self._cursor, self._tenant, ids)
        allowance = allowance_from(quota, self._now)
        allowance.take(Usage(memories=-used.memories, bytes=-used.bytes))
        keeper.keep(self._cursor, self._tenant, allowance)

    def _left_behind(self, gone: Collection[Memory], going: Collection[str | None]) -> list[Memory]:
        """The live sessions that lose live entries and stay themselves, whole."""
        losing = {memory.session_id for memory in gone if not memory.deleted} - {None, *going}
        if not losing:
            return []
        texts = self._engine.texts([each for each in losing if each is not None])
        rows = self._rows(self._writes.by_ids, {"ids": texts})
        return [memory for memory in map(whole_memory_from, rows) if memory.id in losing and not memory.deleted]

    def _stored(self, actor: str, key: Idempotency) -> tuple[str, dict[str, Any] | None] | None:
        oldest = to_microseconds(self._now - ANSWERS_KEPT)
        values = {**self._engine.pair_values([(actor, key.key)]), "oldest": oldest}
        for _, _, fingerprint, answer in self._rows(self._writes.answers, values):
            return fingerprint, json.loads(answer).get(REMOVED)
        return None

    def _remember(self, actor: str, key: Idempotency, total: RemovalCounts, *, settled: bool) -> None:
        # It has the form of every answer, so that another request with this key is told of the conflict.
        stored = json.loads(answer_text(BatchOutcome(outcomes=())))
        stored[REMOVED] = {"counts": asdict(total), "settled": settled}
        row = [self._tenant, actor, key.key, key.fingerprint, json.dumps(stored), to_microseconds(self._now)]
        self._engine.write(self._cursor, self._writes.put_answers, [row])

    def _rows(self, statement: VisibleStatement, values: Mapping[str, Any]) -> list[Any]:
        self._cursor.execute(statement.text, {**statement.fixed, **caller_parameters(self._caller), **values})
        rows: list[Any] = self._cursor.fetchall()
        return rows


def removal_counts(counted: Mapping[MemoryType, int], records: int) -> RemovalCounts:
    """Counts by type as the use cases have them."""
    return RemovalCounts(
        sessions=counted.get(MemoryType.SESSION, 0),
        working=counted.get(MemoryType.WORKING, 0),
        long_term=counted.get(MemoryType.LONG_TERM, 0),
        records=records,
    )


def _bare(row: Any) -> Memory:
    """A memory as far as its fixed columns tell; what it holds is not known."""
    columns = dict(zip(FIXED_COLUMNS, row, strict=True))
    memory_type = MemoryType(columns["memory_type"])
    updated_at: datetime = from_microseconds(columns["updated_at"])
    return Memory(
        id=columns["id"],
        type=memory_type,
        container_id=columns["container_id"],
        session_id=columns["session_id"],
        entry_id=columns["entry_id"],
        version=columns["version"],
        created_at=from_microseconds(columns["created_at"]),
        updated_at=updated_at,
        content_updated_at=updated_at,
        updated_by=None,
        arrival=columns["arrival"],
        deleted=bool(columns["deleted"]),
        owner=columns["owner"],
        guarded=bool(columns["guarded"]),
        values=EMPTY_VALUES[memory_type],
    )
