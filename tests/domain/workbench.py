"""What the tests of the domain stand on: batches are decided in memory, one after the other, at a clock they set."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeAlias

from mnesis.domain.commands import (
    Batch,
    BatchOutcome,
    Changes,
    Command,
    Create,
    Delete,
    Idempotency,
    Outcome,
    Rejected,
    Restore,
    SessionClaim,
    Update,
)
from mnesis.domain.decide import Decision, decide
from mnesis.domain.entries import ContextEntry, entry_commands
from mnesis.domain.history import HistoryRecord
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode
from mnesis.domain.refusals import Refusal
from mnesis.domain.validation import command_faults
from mnesis.domain.workspace import Workspace

SESSION, WORKING, LONG_TERM = MemoryType.SESSION, MemoryType.WORKING, MemoryType.LONG_TERM
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MICROSECOND = timedelta(microseconds=1)

Asked: TypeAlias = Command | Rejected


class Workbench:
    """Stored memories with all of their history. Every batch comes a second after the one before."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.space = Workspace()
        self.space.keep_containers([("default", False), ("travel", False), ("past", True)])
        self.now = NOON
        self.records: list[HistoryRecord] = []
        self.decision = Decision(outcome=BatchOutcome(outcomes=()))
        numbers = count(1)
        self.new_id: Callable[[], str] = lambda: f"made-{next(numbers)}"
        self._changes = count(1)

    def run(self, *commands: Asked, actor: str = "ann", key: str | None = None, **batch: Any) -> BatchOutcome:
        """Judges and decides a batch; what it writes is stored."""
        judged = [self._judged(command) for command in commands]
        fingerprint = repr((commands, sorted(batch.items())))
        idempotency = Idempotency(key=key, fingerprint=fingerprint) if key is not None else None
        return self.decide(Batch(commands=tuple(judged), actor=actor, idempotency=idempotency, **batch))

    def put(
        self,
        session_id: str,
        *entries: ContextEntry,
        create: bool = False,
        if_version: int | None = None,
        container_id: str = "default",
        objects: ObjectMode = ObjectMode.REPLACE,
        mode: WriteMode = WriteMode.ATOMIC,
        key: str | None = None,
    ) -> BatchOutcome:
        """Changes or adds entries of a session, as ``updateContextMemory`` does."""
        claim = SessionClaim(session_id=session_id, if_version=if_version, create=create, container_id=container_id)
        commands = entry_commands(session_id, entries, objects, self.limits)
        return self.run(*commands, session=claim, mode=mode, key=key)

    def one(self, command: Asked, **batch: Any) -> Outcome:
        """What becomes of a command that is a batch of its own."""
        return self.run(command, **batch).outcomes[0]

    def made(self, command: Asked, **batch: Any) -> Memory:
        """The memory that a command makes or changes."""
        memory = self.one(command, **batch).memory
        assert memory is not None
        return memory

    def decide(self, batch: Batch) -> BatchOutcome:
        """Decides a batch as it is."""
        self.now += SECOND
        if any(isinstance(command, Restore) for command in batch.commands):
            self.space.keep_history({record.memory_id for record in self.records}, self.records)
        change = next(self._changes)
        self.decision = decide(batch, self.space, change=change, now=self.now, limits=self.limits, new_id=self.new_id)
        self.records += self.decision.records
        return self.decision.outcome

    def stored(self, memory_id: str) -> Memory:
        """The memory, a tombstone too."""
        memory = self.space.get(memory_id)
        assert memory is not None
        return memory

    def history(self, memory_id: str) -> list[HistoryRecord]:
        """The memory's records, oldest first."""
        return [record for record in self.records if record.memory_id == memory_id]

    def _judged(self, command: Asked) -> Asked:
        if isinstance(command, Rejected) or not (faults := command_faults(command, self.limits)):
            return command
        named = None if isinstance(command, Update | Delete | Restore) else command.entry_id
        return Rejected(refusals=faults, entry_id=named)


def new_session(session_id: str | None = "s1", *, container_id: str = "default", **given: Any) -> Create:
    """Makes a session."""
    return Create(id=session_id, container_id=container_id, changes=Changes(memory_type=SESSION, given=given))


def new_working(session_id: str | None = None, entry_id: str | None = None, **given: Any) -> Create:
    """Makes a working memory; with a session it is an entry."""
    changes = Changes(memory_type=WORKING, given=given)
    return Create(session_id=session_id, entry_id=entry_id, changes=changes)


def new_fact(memory: str = "Likes tea.", **given: Any) -> Create:
    """Makes a long-term memory."""
    return Create(changes=Changes(memory_type=LONG_TERM, given={"memory": memory, **given}))


def change(memory: Memory, /, *, if_version: int | None = None, **given: Any) -> Update:
    """Changes fields of a memory."""
    return Update(id=memory.id, if_version=if_version, changes=Changes(memory_type=memory.type, given=given))


def merge(memory: Memory, /, **given: Any) -> Update:
    """Applies merge patches to fields of a memory."""
    mode = ObjectMode.MERGE
    return Update(id=memory.id, changes=Changes(memory_type=memory.type, given=given, object_mode=mode))


def delete(memory: Memory, /, *, if_version: int | None = None) -> Delete:
    """Deletes a memory."""
    return Delete(memory_type=memory.type, id=memory.id, if_version=if_version)


def restore(memory: Memory, version: int, /, *, if_version: int | None = None) -> Restore:
    """Makes an earlier version of a memory current again."""
    return Restore(memory_type=memory.type, id=memory.id, version=version, if_version=if_version)


def entry(key: str | None = None, content: str | None = None, **given: Any) -> ContextEntry:
    """One entry as a caller gives it."""
    if content is not None:
        given["content"] = content
    return ContextEntry(id=key, given=given)


def codes(refusals: tuple[Refusal, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Code and path of each refusal."""
    return [(refusal.code, refusal.path) for refusal in refusals]


def statuses(outcome: BatchOutcome) -> list[str]:
    """The status of each command."""
    return [each.status.value for each in outcome.outcomes]
