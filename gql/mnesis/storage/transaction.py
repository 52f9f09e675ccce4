"""One transaction of one tenant: load what the batches look at, decide them in order, write everything.

The number of statements does not depend on the number of commands.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mnesis.domain.access import Access
from mnesis.domain.commands import Batch, BatchOutcome
from mnesis.domain.decide import Decision, decide
from mnesis.domain.history import HistoryRecord
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.searching import changed_for_search
from mnesis.domain.workspace import Needs, Workspace
from mnesis.storage.answers import answer_from, answer_text
from mnesis.storage.compiling import compiled_for
from mnesis.storage.container_rows import container_row, default_container, roles_from
from mnesis.storage.embedding_statements import due_statement
from mnesis.storage.engines import DriverCursor, Engine
from mnesis.storage.instants import to_microseconds
from mnesis.storage.quotas import QuotaKeeper, allowance_from
from mnesis.storage.rows import MEMORY_COLUMNS, memory_row, record_from, record_row, revised_columns, revised_row
from mnesis.storage.search_index import search_row
from mnesis.storage.search_statements import SearchWriteStatements
from mnesis.storage.statements import WriteStatements
from mnesis.storage.stored_memory import whole_memory_from
from mnesis.storage.visibility import TENANT, VisibleStatement

_SESSION_PLACE = MEMORY_COLUMNS.index("session_id")
ANSWERS_KEPT = timedelta(hours=24)
"""How long the answer to an idempotency key is given again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of the batches of a transaction, once it is committed.

    ``mark`` is what `Engine.was_committed` knows the transaction by.
    """

    outcomes: tuple[BatchOutcome, ...]
    mark: str | None


class Transactions:
    """Runs batches inside a transaction that somebody else begins and ends."""

    def __init__(
        self,
        engine: Engine,
        limits: Limits,
        new_id: Callable[[], str],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        embeds: bool = False,
    ) -> None:
        """``embeds`` has memories whose text may have changed marked for embedding."""
        self._engine = engine
        self._limits = limits
        self._new_id = new_id
        self._clock = clock
        self._statements = compiled_for(WriteStatements, engine)
        self._search = compiled_for(SearchWriteStatements, engine)
        self._quotas = QuotaKeeper(engine)
        self._put_due = compiled_for(due_statement, engine) if embeds else None

    def new_id(self) -> str:
        """A fresh id for what a transaction makes."""
        return self._new_id()

    def now(self) -> datetime:
        """The time by the clock of these transactions."""
        return self._clock()

    def apply(self, cursor: DriverCursor, tenant: str, batches: Sequence[Batch]) -> Applied:
        """Applies batches of one tenant in order; a later one sees an earlier one's results."""
        now = self._clock()
        needs = Needs.of(batches)
        self._ask_changes(cursor, tenant, len(batches), now)
        # Sent along: it runs when the tenant's lock has been taken, and sees what was committed until then.
        looking_up = self._look_up(cursor.connection.cursor(), tenant, needs.ids) if needs.ids else None
        last_change, mark, quota = self._taken_changes(cursor, tenant, len(batches), now)
        allowance = allowance_from(quota, now) if quota is not None else None
        found = looking_up.fetchall() if looking_up is not None else []
        workspace, loaded = self._load(cursor, tenant, batches, needs, found, now)
        first_change = last_change - len(batches) + 1
        decisions = [
            decide(
                batch, workspace, change=change, now=now, limits=self._limits, new_id=self._new_id, allowance=allowance
            )
            for change, batch in enumerate(batches, first_change)
        ]
        self.write(cursor, tenant, decisions, loaded)
        if allowance is not None:
            self._quotas.keep(cursor, tenant, allowance)
        self._remember(cursor, tenant, batches, decisions, now)
        return Applied(outcomes=tuple(decision.outcome for decision in decisions), mark=mark)

    def forget_answers(self, cursor: DriverCursor) -> None:
        """Removes the answers that are too old to be given again."""
        oldest = to_microseconds(self._clock() - ANSWERS_KEPT)
        cursor.execute(self._statements.forget_answers, {"oldest": oldest})

    def take_changes(
        self, cursor: DriverCursor, tenant: str, count: int, now: datetime
    ) -> tuple[int, str | None, str | None]:
        """Takes the tenant's lock and its next change numbers, none to take the lock only.

        Gives the last number, what `Engine.was_committed` knows the transaction by, and what `quotas` reads.
        """
        self._ask_changes(cursor, tenant, count, now)
        return self._taken_changes(cursor, tenant, count, now)

    def _ask_changes(self, cursor: DriverCursor, tenant: str, count: int, now: datetime) -> None:
        values = {TENANT: tenant, "count": count, "now": to_microseconds(now)}
        cursor.execute(self._statements.take_changes, values)

    def _taken_changes(
        self, cursor: DriverCursor, tenant: str, count: int, now: datetime
    ) -> tuple[int, str | None, str | None]:
        change, created_at, mark, quota = cursor.fetchone()
        if change == count and created_at == to_microseconds(now):
            default = container_row(tenant, default_container(now))
            self._engine.write(cursor, self._statements.new_container, [default])
        return change, mark, quota

    def _look_up(self, cursor: DriverCursor, tenant: str, ids: Collection[str]) -> DriverCursor:
        """The cursor, which has been asked for the memories with these ids."""
        by_ids = self._statements.by_ids
        cursor.execute(by_ids.text, {**by_ids.fixed, TENANT: tenant, "ids": self._engine.texts(ids)})
        return cursor

    def _load(
        self,
        cursor: DriverCursor,
        tenant: str,
        batches: Sequence[Batch],
        needs: Needs,
        found: list[Any],
        now: datetime,
    ) -> tuple[Workspace, dict[str, Memory]]:
        """The workspace, and the memories in it as they are stored; ``found`` are those with the ids that it needs."""
        workspace = Workspace()
        statements, texts = self._statements, self._engine.texts

        def rows(statement: VisibleStatement, values: dict[str, Any]) -> list[Any]:
            cursor.execute(statement.text, {**statement.fixed, TENANT: tenant, **values})
            return list(cursor.fetchall())

        loaded = found
        # The sessions of entries are asked for only now, and mostly not at all: one statement for both takes twice as
        # long for sessions.
        if sessions := {row[_SESSION_PLACE] for row in found} - needs.ids - {None}:
            loaded = found + self._look_up(cursor, tenant, sessions).fetchall()
        if needs.entries:
            loaded += rows(statements.by_entry_keys, self._engine.pair_values(needs.entries))
        if needs.sessions_whole:
            loaded += rows(statements.of_sessions, {"ids": texts(needs.sessions_whole)})
        stored = {memory.id: memory for memory in map(whole_memory_from, loaded)}
        for memory in stored.values():
            workspace.put(memory)
        if needs.history_from:
            # The least of all is asked for: merged restorations of several memories are rare.
            values = {"ids": texts(needs.history_from), "least": min(needs.history_from.values())}
            workspace.keep_history(needs.history_from, map(record_from, rows(statements.history_from, values)))
        # What is brought back may lie in a container that is gone.
        containers = needs.containers | {
            memory.container_id for memory in stored.values() if memory.guarded or memory.id in needs.history_from
        }
        if containers:
            _keep_containers(workspace, rows(statements.containers, {"ids": texts(containers)}))
        keys = {(batch.actor, batch.idempotency.key) for batch in batches if batch.idempotency is not None}
        if keys:
            oldest = to_microseconds(now - ANSWERS_KEPT)
            values = {**self._engine.pair_values(keys), "oldest": oldest}
            for subject, key, fingerprint, answer in rows(statements.answers, values):
                workspace.answers[subject, key] = (fingerprint, answer_from(answer))
        return workspace, stored

    def write(
        self,
        cursor: DriverCursor,
        tenant: str,
        decisions: Sequence[Decision],
        before: Mapping[str, Memory] | None = None,
    ) -> None:
        """Writes the memories at their last version and every record; all that is written of them goes through here.

        ``before`` are those that were loaded, as they are stored; None where that is not known.
        """
        memories: dict[str, Memory] = {}
        records: list[HistoryRecord] = []
        for decision in decisions:
            for memory in decision.memories:
                memories[memory.id] = memory
            records += decision.records
        if memories:
            fields = _revised_fields(memories, before or {})
            if fields is None:
                rows = [memory_row(tenant, memory) for memory in memories.values()]
                self._engine.write(cursor, self._statements.put_memories, rows)
            else:
                columns = revised_columns(fields)
                rows = [revised_row(tenant, memory, columns) for memory in memories.values()]
                self._engine.write(cursor, self._statements.revise(columns), rows)
            self._index(cursor, tenant, memories.values(), before)
        if records:
            rows = [record_row(tenant, record) for record in records]
            self._engine.write(cursor, self._statements.put_records, rows)

    def _index(
        self, cursor: DriverCursor, tenant: str, memories: Iterable[Memory], before: Mapping[str, Memory] | None
    ) -> None:
        """Brings the search index to what was written; most changes leave the words of a memory as they were."""
        rows, gone, due = [], [], []
        for memory in memories:
            stored = before.get(memory.id) if before is not None else None
            if memory.deleted:
                if before is None or (stored is not None and not stored.deleted):
                    gone.append(memory.id)
            elif changed_for_search(stored, memory):
                rows.append(search_row(tenant, memory))
                due.append(memory)
        if rows:
            self._search.put(cursor, rows)
            if self._put_due is not None:
                marks = [[tenant, memory.id, memory.version, 0] for memory in due]
                self._engine.write(cursor, self._put_due, marks)
        if gone:
            cursor.execute(self._search.remove, {TENANT: tenant, "ids": self._engine.texts(gone)})

    def _remember(
        self,
        cursor: DriverCursor,
        tenant: str,
        batches: Sequence[Batch],
        decisions: Sequence[Decision],
        now: datetime,
    ) -> None:
        answers = [
            [
                tenant,
                batch.actor,
                batch.idempotency.key,
                batch.idempotency.fingerprint,
                answer_text(decision.outcome),
                to_microseconds(now),
            ]
            for batch, decision in zip(batches, decisions, strict=True)
            if batch.idempotency is not None and decision.remembered
        ]
        if answers:
            self._engine.write(cursor, self._statements.put_answers, answers)


def _keep_containers(workspace: Workspace, found: Sequence[Sequence[Any]]) -> None:
    workspace.keep_containers((row[0], bool(row[1])) for row in found)
    for container_id, _, guarded, owner, roles in found:
        if guarded:
            workspace.guards[container_id] = Access(owner=owner, roles=frozenset(roles_from(roles)), guarded=True)


def _revised_fields(memories: Mapping[str, Memory], before: Mapping[str, Memory]) -> set[str] | None:
    """The fields that differ from what is stored, of any of the memories; None where more than they may.

    A value that was given anew counts as different: equal objects may have their keys in another order.
    """
    fields: set[str] = set()
    for memory_id, memory in memories.items():
        stored = before.get(memory_id)
        if (
            stored is None
            # A memory that was created again arrived anew.
            or stored.arrival != memory.arrival
            or stored.deleted != memory.deleted
            or stored.created_at != memory.created_at
            or stored.namespace is not memory.namespace
            or stored.owner != memory.owner
            or stored.guarded != memory.guarded
        ):
            return None
        were = stored.values
        for name, value in memory.values.items():
            if value is not were[name]:
                fields.add(name)
    return fields
