"""One transaction that makes, changes or deletes a container, under the tenant's lock as every other writer."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, func, select, text

from mnesis.domain.caller import Caller, of_all
from mnesis.domain.commands import BatchOutcome, Idempotency, Outcome
from mnesis.domain.containers import (
    Container,
    ContainerCommand,
    ContainerDeletion,
    ContainerUpdate,
    NewContainer,
    create,
    delete,
    update,
)
from mnesis.domain.filters import MemoryFilter
from mnesis.domain.memory_types import NOUNS, MemoryType, WriteStatus
from mnesis.domain.refusals import IdempotencyConflict, Refusal
from mnesis.storage.answers import answer_from, answer_text
from mnesis.storage.container_rows import container_from, container_row
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.instants import to_microseconds
from mnesis.storage.removing import REMOVED, Removing
from mnesis.storage.statements import CONTAINER, MEMORY, WriteStatements
from mnesis.storage.transaction import ANSWERS_KEPT, Transactions
from mnesis.storage.visibility import TENANT, VisibleStatement, compile_of_tenant, of_tenant
from mnesis.usecases.ports import NOTHING, ContainerOutcome, ContainerWrite, Removal, RemovalCounts

TAKEN_ALONG = 1_000
"""How many memories go in the transaction that deletes their container; more have to go before."""


class _Statements:
    def __init__(self, engine: Engine) -> None:
        def compiled(statement: Select[Any]) -> VisibleStatement:
            return compile_of_tenant(of_tenant(statement), engine.dialect)

        self.put = engine.write_statement(CONTAINER, over=True)
        self.container = compiled(select(*CONTAINER.columns).where(CONTAINER.c.id == bindparam("id")))
        self.memory = compiled(select(MEMORY.c.memory_type, MEMORY.c.deleted).where(MEMORY.c.id == bindparam("id")))
        # Spelt as the partial index spells it.
        held = (MEMORY.c.container_id == bindparam("id"), text("NOT memory.deleted"))
        self.count = compiled(select(func.count()).select_from(MEMORY).where(*held))
        self.held = compiled(select(MEMORY.c.id).where(*held).limit(bindparam("size", type_=BigInteger)))
        writes = WriteStatements(engine)
        self.answers = writes.answers
        self.put_answers = writes.put_answers


class Containers:
    """Writes containers inside transactions that a lane begins and ends."""

    def __init__(self, engine: Engine, transactions: Transactions, removing: Removing) -> None:
        self._engine = engine
        self._transactions = transactions
        self._removing = removing
        self._statements = _Statements(engine)

    def write(self, cursor: DriverCursor, caller: Caller, write: ContainerWrite) -> ContainerOutcome:
        """See `mnesis.usecases.ports.ContainerStore.write_container`."""
        now = self._transactions.now()
        # The lock first: what is read after it stays so until the commit.
        self._transactions.take_changes(cursor, caller.tenant, 0, now)
        return _Writing(self._engine, self._transactions, self._removing, self._statements, cursor, caller, now).run(
            write
        )


class _Writing:
    """One transaction."""

    def __init__(
        self,
        engine: Engine,
        transactions: Transactions,
        removing: Removing,
        statements: _Statements,
        cursor: DriverCursor,
        caller: Caller,
        now: datetime,
    ) -> None:
        self._engine = engine
        self._transactions = transactions
        self._removing = removing
        self._statements = statements
        self._cursor = cursor
        self._caller = caller
        self._now = now

    def run(self, write: ContainerWrite) -> ContainerOutcome:
        before = NOTHING
        if (key := write.idempotency) is not None and (stored := self._answer(write.actor, key)) is not None:
            fingerprint, answer = stored
            if fingerprint != key.fingerprint:
                return _refused(IdempotencyConflict(path=("idempotency_key",)))
            before, settled = _removed_before(answer)
            if settled:
                return _repeated(answer, before)
        outcome = self._decided(write, before)
        if key is not None and not outcome.refusals and not outcome.remaining:
            self._remember(write.actor, key, outcome)
        return outcome

    def _decided(self, write: ContainerWrite, before: RemovalCounts) -> ContainerOutcome:
        if isinstance(write.command, NewContainer):
            return self._created(write.command)
        if isinstance(write.command, ContainerUpdate):
            return self._updated(write.command)
        return self._deleted(write, write.command, before)

    def _created(self, command: NewContainer) -> ContainerOutcome:
        fresh_id = self._transactions.new_id()
        found, taken_by = None, None
        if command.id is not None:
            found = self._container(command.id)
            memories = self._rows(self._statements.memory, {"id": command.id})
            if memories:
                [(memory_type, deleted)] = memories
                taken_by = f"{'deleted ' if deleted else ''}{NOUNS[MemoryType(memory_type)]}"
            elif found is not None and not found.deleted:
                taken_by = "container"
        made = create(command, taken_by=taken_by, fresh_id=fresh_id, now=self._now, gone=found, caller=self._caller)
        return self._put(made, WriteStatus.CREATED, command)

    def _updated(self, command: ContainerUpdate) -> ContainerOutcome:
        stored = self._container(command.id)
        changed = update(stored, command, now=self._now, caller=self._caller)
        if changed is stored and stored is not None:
            return _outcome(WriteStatus.UNCHANGED, stored)
        return self._put(changed, WriteStatus.UPDATED, command)

    def _deleted(self, write: ContainerWrite, command: ContainerDeletion, before: RemovalCounts) -> ContainerOutcome:
        stored = self._container(command.id)
        [[held]] = self._rows(self._statements.count, {"id": command.id})
        tombstone = delete(stored, command, memories=held, now=self._now, caller=self._caller)
        if isinstance(tombstone, Refusal):
            return _refused(tombstone, command.id)
        if held > TAKEN_ALONG:
            return ContainerOutcome(status=WriteStatus.FAILED, id=command.id, removed=before, remaining=held)
        removed = before
        if held:
            ids = [row[0] for row in self._rows(self._statements.held, {"id": command.id, "size": TAKEN_ALONG})]
            removal = Removal(
                erases=False, filter=MemoryFilter(container_id=command.id), actor=write.actor, reason=write.reason
            )
            step = self._removing.step(self._cursor, of_all(self._caller), removal, ids, found=None, last=False)
            removed = before.plus(step.removed)
        return replace(self._put(tombstone, WriteStatus.DELETED, command), removed=removed)

    def _put(self, decided: Container | Refusal, status: WriteStatus, command: ContainerCommand) -> ContainerOutcome:
        if isinstance(decided, Refusal):
            return _refused(decided, command.id)
        row = container_row(self._caller.tenant, decided)
        self._engine.write(self._cursor, self._statements.put, [row])
        return _outcome(status, decided)

    def _container(self, container_id: str) -> Container | None:
        rows = self._rows(self._statements.container, {"id": container_id})
        return container_from(rows[0]) if rows else None

    def _answer(self, actor: str, key: Idempotency) -> tuple[str, str] | None:
        oldest = to_microseconds(self._now - ANSWERS_KEPT)
        values = {**self._engine.pair_values([(actor, key.key)]), "oldest": oldest}
        for _, _, fingerprint, answer in self._rows(self._statements.answers, values):
            return fingerprint, answer
        return None

    def _remember(self, actor: str, key: Idempotency, outcome: ContainerOutcome) -> None:
        # It has the form of every answer, so that another request with this key is told of the conflict, and that of
        # a removal, so that one that removes memories under this key ends too.
        kept = Outcome(status=outcome.status, id=outcome.id, version=outcome.version)
        stored = json.loads(answer_text(BatchOutcome(outcomes=(kept,))))
        stored[REMOVED] = {"counts": asdict(outcome.removed), "settled": True}
        row = [self._caller.tenant, actor, key.key, key.fingerprint, json.dumps(stored), to_microseconds(self._now)]
        self._engine.write(self._cursor, self._statements.put_answers, [row])

    def _rows(self, statement: VisibleStatement, values: Mapping[str, Any]) -> list[Any]:
        self._cursor.execute(statement.text, {**statement.fixed, TENANT: self._caller.tenant, **values})
        rows: list[Any] = self._cursor.fetchall()
        return rows


def _refused(refusal: Refusal, container_id: str | None = None) -> ContainerOutcome:
    """Nothing was done."""
    return ContainerOutcome(status=WriteStatus.FAILED, id=container_id, refusals=(refusal,))


def _outcome(status: WriteStatus, container: Container) -> ContainerOutcome:
    return ContainerOutcome(status=status, id=container.id, version=container.version, container=container)


def _removed_before(answer: str) -> tuple[RemovalCounts, bool]:
    """What was removed under a key so far, and whether that was all."""
    stored = json.loads(answer)[REMOVED]
    return RemovalCounts(**stored["counts"]), stored["settled"]


def _repeated(answer: str, removed: RemovalCounts) -> ContainerOutcome:
    [kept] = answer_from(answer).outcomes
    return ContainerOutcome(status=kept.status, id=kept.id, version=kept.version, removed=removed, replayed=True)
