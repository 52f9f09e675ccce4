"""What a batch does to the memories it finds: the one place where commands, sessions and entries meet.

Pure: a `Workspace` with everything the batch looks at (see `Needs`) goes in, a `Decision` comes out, and the
workspace itself is changed only where the batch was not refused.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from mnesis.domain import revise
from mnesis.domain.access import may_enter, may_see
from mnesis.domain.caller import Caller
from mnesis.domain.commands import (
    Batch,
    BatchOutcome,
    Command,
    Create,
    Delete,
    Outcome,
    PutEntry,
    Rejected,
    Restore,
    SessionClaim,
    Update,
)
from mnesis.domain.history import HistoryRecord, entries_change
from mnesis.domain.limits import Limits
from mnesis.domain.memory import Memory
from mnesis.domain.memory_types import NOUNS, HistoryAction, MemoryType, WriteMode, WriteStatus
from mnesis.domain.quickly import quickly_made
from mnesis.domain.quotas import Allowance, Usage
from mnesis.domain.refusals import (
    AlreadyExists,
    IdempotencyConflict,
    InvalidInput,
    MemoryTypeMismatch,
    NotFound,
    Refusal,
    VersionConflict,
    quoted,
)
from mnesis.domain.revise import Moment, Revision, Unchanged, Verdict
from mnesis.domain.time_travel import NotKept, as_of
from mnesis.domain.workspace import Workspace

_STATUS = {
    HistoryAction.CREATE: WriteStatus.CREATED,
    HistoryAction.UPDATE: WriteStatus.UPDATED,
    HistoryAction.DELETE: WriteStatus.DELETED,
    HistoryAction.RESTORE: WriteStatus.UPDATED,
}

# To look a member up in its class takes as long as a call, on Python 3.11.
_SESSION, _RESTORE = MemoryType.SESSION, HistoryAction.RESTORE
_ATOMIC, _FAILED = WriteMode.ATOMIC, WriteStatus.FAILED


@quickly_made
class Decision:
    """The answer to a batch, and what must be written for it: memories at their last version, every record."""

    outcome: BatchOutcome
    memories: tuple[Memory, ...] = ()
    records: tuple[HistoryRecord, ...] = ()
    remembered: bool = False
    """Whether the answer is kept for the batch's idempotency key: not when nothing was accepted, so that the
    request can be mended and sent again."""


@dataclass(slots=True, kw_only=True)
class _Tally:
    """How the entries of one session changed in a batch."""

    created: int = 0
    updated: int = 0
    deleted: int = 0


@dataclass(slots=True, kw_only=True)
class _Course:
    """A batch under way."""

    space: Workspace
    moment: Moment
    pending: list[Revision]
    """What records are made of, in order."""
    caller: Caller | None = None
    latest: dict[str, int] = field(default_factory=dict)
    tallies: dict[str, _Tally] = field(default_factory=dict)
    cascaded: dict[int, int] = field(default_factory=dict)

    def accept(self, revision: Revision) -> Memory:
        """Takes a revision over; later commands see it."""
        position = len(self.pending)
        memory, action = revision.memory, revision.action
        before = self.space.get(memory.id) if action is _RESTORE else None
        self.latest[memory.id] = position
        self.pending.append(revision)
        self.space.put(memory)
        if memory.session_id is not None:
            tally = self.tallies.get(memory.session_id)
            if tally is None:
                tally = self.tallies[memory.session_id] = _Tally()
            match action:
                case HistoryAction.UPDATE:
                    tally.updated += 1
                case HistoryAction.CREATE:
                    tally.created += 1
                case HistoryAction.DELETE:
                    tally.deleted += 1
                case HistoryAction.RESTORE if before is not None and before.deleted:
                    tally.created += 1
                case _:
                    tally.updated += 1
        return memory

    def hides(self, memory: Memory) -> bool:
        """Whether a guarded memory is not there for the caller."""
        access = self.space.access(memory.container_id)
        return self.caller is not None and not may_see(
            self.caller, owner=memory.owner, guarded=memory.guarded, container=access
        )

    def admits(self, container_id: str) -> bool:
        """Whether there is such a container for the caller."""
        space = self.space
        if container_id not in space.containers:
            return False
        return (
            self.caller is None
            or container_id not in space.guards
            or may_enter(self.caller, space.access(container_id))
        )


def decide(
    batch: Batch,
    workspace: Workspace,
    *,
    change: int,
    now: datetime,
    limits: Limits,
    new_id: Callable[[], str],
    allowance: Allowance | None = None,
) -> Decision:
    """Applies a batch to a workspace. ``change`` is the tenant's change number for it.

    A batch that would use more than the ``allowance`` is refused as a whole, whatever its mode: by what it adds in all,
    so that it may make room for itself.
    """
    if (key := batch.idempotency) is not None:
        answered = workspace.answers.get((batch.actor, key.key))
        if answered is not None:
            fingerprint, answer = answered
            if fingerprint == key.fingerprint:
                return Decision(outcome=replace(answer, replayed=True))
            return Decision(outcome=refused_whole(batch.commands, IdempotencyConflict(path=("idempotency_key",))))
    pending: list[Revision] = []
    course = _Course(
        pending=pending,
        space=workspace.branch(),
        moment=Moment(
            now=now,
            change=change,
            actor=batch.actor,
            limits=limits,
            new_id=new_id,
            owner=batch.caller.owner if batch.caller is not None else None,
            guards=workspace.guards,
            before=pending,
        ),
        caller=batch.caller,
    )
    if batch.session is not None and (refusals := _claim(batch.session, course)):
        return Decision(outcome=refused_whole(batch.commands, *refusals))
    outcomes = tuple([_run(index, command, course) for index, command in enumerate(batch.commands)])
    failed = [outcome.status for outcome in outcomes].count(_FAILED)
    if failed and batch.mode is _ATOMIC:
        return Decision(outcome=BatchOutcome(outcomes=tuple(map(_rolled_back, batch.commands, outcomes))))
    if failed == len(outcomes) and batch.commands:
        return Decision(outcome=BatchOutcome(outcomes=outcomes))
    _raise_sessions(course)
    if (
        allowance is not None
        and (refusal := allowance.take(_growth(course, workspace, outcomes, allowance))) is not None
    ):
        return Decision(outcome=refused_whole(batch.commands, refusal))
    workspace.merge(course.space)
    records = _records(batch, course)
    workspace.add_history(records)
    answer = _answer(batch, outcomes, course)
    if key is not None:
        workspace.answers[batch.actor, key.key] = (key.fingerprint, _to_repeat(answer))
    return Decision(
        outcome=answer,
        memories=tuple([course.pending[position].memory for position in course.latest.values()]),
        records=records,
        remembered=True,
    )


def _growth(course: _Course, before: Workspace, outcomes: tuple[Outcome, ...], allowance: Allowance) -> Usage:
    """What a batch adds to what the tenant uses."""
    memories = size = 0
    for memory_id, position in course.latest.items():
        for memory, sign in ((course.pending[position].memory, 1), (before.get(memory_id), -1)):
            if memory is not None and not memory.deleted:
                memories += sign
                size += sign * allowance.measure(memory)
    writes = sum(outcome.status in (WriteStatus.CREATED, WriteStatus.UPDATED) for outcome in outcomes)
    return Usage(memories=memories, bytes=size, writes=writes)


def _claim(claim: SessionClaim, course: _Course) -> tuple[Refusal, ...]:
    session = course.space.get(claim.session_id)
    if session is not None and session.guarded and course.hides(session):
        if claim.create:
            return (AlreadyExists(path=("session_id",), kind=_taken_by(session), id=claim.session_id),)
        return (NotFound(path=("session_id",), kind="session", id=claim.session_id),)
    if session is not None and not session.deleted:
        if session.type is not MemoryType.SESSION:
            return (MemoryTypeMismatch(path=("session_id",), requested=MemoryType.SESSION, actual=session.type),)
        if claim.if_version is not None and claim.if_version != session.version:
            return (
                VersionConflict(
                    path=("if_version",), expected=claim.if_version, actual=session.version, current=session
                ),
            )
        return ()
    if claim.if_version:
        return (VersionConflict(path=("if_version",), expected=claim.if_version, actual=0, current=None),)
    if not claim.create:
        return (NotFound(path=("session_id",), kind="session", id=claim.session_id),)
    return _open_session(claim, session, course)


def _open_session(claim: SessionClaim, stored: Memory | None, course: _Course) -> tuple[Refusal, ...]:
    if not course.admits(claim.container_id):
        return (NotFound(path=("container_id",), kind="container", id=claim.container_id),)
    if stored is not None and stored.guarded and stored.container_id != claim.container_id:
        return (_elsewhere(stored, ("session_id",)),)
    if course.space.is_container(claim.session_id):
        return (AlreadyExists(path=("session_id",), kind="container", id=claim.session_id),)
    verdict = revise.new_session(stored, claim, course.moment)
    if isinstance(verdict, Revision):
        course.accept(verdict)
        return ()
    assert isinstance(verdict, tuple)  # A new session is never unchanged.
    return tuple(replace(refusal, path=("session_id",)) for refusal in verdict)


def _run(index: int, command: Command | Rejected, course: _Course) -> Outcome:
    if isinstance(command, Rejected):
        return _unwritten(WriteStatus.FAILED, command, command.refusals)
    verdict = _verdict(command, course)
    if isinstance(verdict, tuple):
        return _unwritten(WriteStatus.FAILED, command, verdict)
    if isinstance(verdict, Unchanged):
        return _outcome(WriteStatus.UNCHANGED, verdict.memory)
    status = _STATUS[verdict.action]
    if verdict.memory.type is not _SESSION:
        return _outcome(status, course.accept(verdict))
    if verdict.action is HistoryAction.DELETE:
        # The entries go first, so that the session's record closes the change.
        entries = list(course.space.live_entries(verdict.memory.id))
        for entry in entries:
            course.accept(revise.tombstone(entry, course.moment))
        course.cascaded[index] = len(entries)
    if verdict.action is HistoryAction.RESTORE:
        return _outcome(status, _restored_session(index, verdict, course))
    return _outcome(status, course.accept(verdict))


def _restored_session(index: int, verdict: Revision, course: _Course) -> Memory:
    """Takes a session back and, where it had been deleted, the entries that went with it."""
    gone = course.space.get(verdict.memory.id)
    assert gone is not None  # It was found to be restorable.
    entries = list(course.space.entries_deleted_by(gone.id, gone.change)) if gone.deleted else []
    session = course.accept(verdict)
    for entry in entries:
        course.accept(revise.undeleted(entry, course.moment))
    course.cascaded[index] = len(entries)
    return session


def _verdict(command: Command, course: _Course) -> Verdict:
    space, moment = course.space, course.moment
    match command:
        case Update():
            stored = space.get(command.id)
            if stored is not None and stored.guarded and course.hides(stored):
                stored = None
            return revise.update(stored, command, moment)
        case PutEntry():
            return _put_entry(command, course)
        case Delete():
            stored = space.get(command.id)
            if stored is not None and stored.guarded and course.hides(stored):
                stored = None
            return revise.delete(stored, command, moment)
        case Restore():
            return _restore(command, course)
        case _:
            return _create(command, course)


def _put_entry(command: PutEntry, course: _Course) -> Verdict:
    session = course.space.get(command.session_id)
    assert session is not None  # The batch claims it.
    if command.entry_id is None:
        return revise.put_entry(None, session, command, course.moment)
    stored = course.space.entry(command.session_id, command.entry_id)
    if stored is not None and stored.guarded and course.hides(stored):
        return (AlreadyExists(path=("entry_id",), kind=_taken_by(stored), id=command.entry_id),)
    return revise.put_entry(stored, session, command, course.moment)


def _restore(command: Restore, course: _Course) -> Verdict:
    space = course.space
    stored = space.get(command.id)
    if stored is not None and stored.guarded and course.hides(stored):
        stored = None
    if (refusals := revise.restorable(stored, command)) or stored is None:
        return refusals
    if stored.container_id in space.deleted_containers:
        text = f"The container {quoted(stored.container_id)} is deleted; create it again first."
        return (InvalidInput(path=("id",), text=text),)
    try:
        past = as_of(stored, command.version, space.history(stored.id))
    except NotKept as not_kept:
        return (InvalidInput(path=("version",), text=str(not_kept)),)
    session = space.get(stored.session_id) if stored.session_id is not None else None
    return revise.restore(stored, session, past, course.moment)


def _create(command: Create, course: _Course) -> Verdict:
    space = course.space
    if command.session_id is None:
        if not course.admits(command.container_id):
            return (NotFound(path=("container_id",), kind="container", id=command.container_id),)
        if command.id is not None and space.is_container(command.id):
            return (AlreadyExists(path=("id",), kind="container", id=command.id),)
        stored = space.get(command.id) if command.id is not None else None
        if stored is not None and stored.guarded:
            if course.hides(stored):
                return (AlreadyExists(path=("id",), kind=_taken_by(stored), id=stored.id),)
            if stored.deleted and stored.container_id != command.container_id:
                return (_elsewhere(stored, ("id",)),)
        return revise.create(stored, None, command, course.moment)
    session = space.get(command.session_id)
    if session is not None and session.guarded and course.hides(session):
        session = None
    if session is None or session.deleted or session.type is not MemoryType.SESSION:
        return (NotFound(path=("session_id",), kind="session", id=command.session_id),)
    entry = space.entry(command.session_id, command.entry_id) if command.entry_id is not None else None
    if entry is not None and entry.guarded and course.hides(entry):
        return (AlreadyExists(path=("entry_id",), kind=_taken_by(entry), id=command.entry_id or entry.id),)
    return revise.create(entry, session, command, course.moment)


def _taken_by(stored: Memory) -> str:
    return f"{'deleted ' if stored.deleted else ''}{NOUNS[stored.type]}"


def _elsewhere(stored: Memory, path: tuple[str, ...]) -> Refusal:
    """What was deleted in a guarded container is created again only there: its history tells what it held."""
    return AlreadyExists(path=path, kind=_taken_by(stored), id=stored.id)


def _raise_sessions(course: _Course) -> None:
    """Raises the version of each session whose entries changed, by one for the batch.

    Where the batch changed the session itself, that record tells of the entries too.
    """
    for session_id, tally in course.tallies.items():
        session = course.space.get(session_id)
        if session is None or session.deleted:
            continue
        entries = entries_change(created=tally.created, updated=tally.updated, deleted=tally.deleted)
        own = course.latest.get(session_id)
        if own is None:
            memory = revise.touched(session, course.moment)
            course.accept(Revision(memory=memory, action=HistoryAction.UPDATE, changes=(entries,)))
        elif course.pending[own].action is not HistoryAction.CREATE:
            revision = course.pending[own]
            course.pending[own] = replace(revision, changes=(*revision.changes, entries))


def _records(batch: Batch, course: _Course) -> tuple[HistoryRecord, ...]:
    return tuple([_record(batch, position, revision) for position, revision in enumerate(course.pending)])


def _record(batch: Batch, position: int, revision: Revision) -> HistoryRecord:
    memory = revision.memory
    return HistoryRecord(
        memory_id=memory.id,
        version=memory.version,
        memory_type=memory.type,
        container_id=memory.container_id,
        session_id=memory.session_id,
        namespace=memory.namespace,
        change=memory.change,
        position=position,
        action=revision.action,
        changes=revision.changes,
        actor=batch.actor,
        reason=batch.reason,
        created_at=memory.updated_at,
        content_updated_at=memory.content_updated_at,
        owner=memory.owner,
        guarded=memory.guarded,
    )


def _answer(batch: Batch, outcomes: tuple[Outcome, ...], course: _Course) -> BatchOutcome:
    session = course.space.get(batch.session.session_id) if batch.session is not None else None
    return BatchOutcome(
        outcomes=outcomes,
        session=session,
        session_version=session.version if session is not None else None,
        cascaded=course.cascaded,
    )


def _to_repeat(answer: BatchOutcome) -> BatchOutcome:
    """The answer without the memories, which are read as they are when it is repeated."""
    outcomes = tuple(
        replace(outcome, memory=None, refusals=tuple(map(_without_memory, outcome.refusals)))
        for outcome in answer.outcomes
    )
    return replace(answer, outcomes=outcomes, session=None)


def _without_memory(refusal: Refusal) -> Refusal:
    return replace(refusal, current=None) if isinstance(refusal, VersionConflict) else refusal


def _outcome(status: WriteStatus, memory: Memory) -> Outcome:
    return Outcome(status=status, id=memory.id, entry_id=memory.entry_id, version=memory.version, memory=memory)


def _rolled_back(command: Command | Rejected, outcome: Outcome) -> Outcome:
    return outcome if outcome.status is WriteStatus.FAILED else _unwritten(WriteStatus.ROLLED_BACK, command)


def refused_whole(commands: Iterable[Command | Rejected], *refusals: Refusal) -> BatchOutcome:
    """The answer to a batch refused as a whole: commands rejected before still say why, the others are rolled back."""
    outcomes = (
        _unwritten(WriteStatus.FAILED, command, command.refusals)
        if isinstance(command, Rejected)
        else _unwritten(WriteStatus.ROLLED_BACK, command)
        for command in commands
    )
    return BatchOutcome(outcomes=tuple(outcomes), refusals=refusals)


def _unwritten(status: WriteStatus, command: Command | Rejected, refusals: tuple[Refusal, ...] = ()) -> Outcome:
    """The outcome of a command that left no trace: it names only what the command itself named."""
    return Outcome(
        status=status,
        id=None if isinstance(command, PutEntry) else command.id,
        entry_id=None if isinstance(command, Update | Delete | Restore) else command.entry_id,
        refusals=refusals,
    )
