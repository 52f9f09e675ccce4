"""The use cases that change memories: check the scope, judge what can be judged without the store, apply it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import (
    Batch,
    BatchOutcome,
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
from mnesis.domain.decide import refused_whole
from mnesis.domain.entries import entry_commands
from mnesis.domain.limits import Limits
from mnesis.domain.memory_types import MemoryType, WriteMode, WriteStatus
from mnesis.domain.refusals import (
    Forbidden,
    ImmutableMemory,
    LimitExceeded,
    MemoryTypeMismatch,
    Refusal,
)
from mnesis.domain.validation import claim_faults, command_faults, request_faults
from mnesis.usecases.fingerprint import fingerprint
from mnesis.usecases.ports import MemoryStore
from mnesis.usecases.requests import (
    CreateMemories,
    DeleteMemory,
    DeleteSeveral,
    MemoryUpdate,
    RestoreMemory,
    UpdateContextMemory,
    UpdateMemories,
)

_HISTORY = MemoryType.HISTORY
_Judged = TypeVar("_Judged", Create, Update, Delete, Restore)


class MemoryWriter:
    """Changes memories on behalf of a caller.

    What the caller can mend is in the answer; `Overloaded` and `StoreFault` are raised.
    """

    def __init__(self, store: MemoryStore, limits: Limits) -> None:
        self._store = store
        self._limits = limits

    async def update_memories(self, caller: Caller, request: UpdateMemories) -> BatchOutcome:
        """Changes memories in order; paths of refusals begin at the item."""
        return await self._apply(caller, request, [self._update(item) for item in request.items])

    async def create_memories(self, caller: Caller, request: CreateMemories) -> BatchOutcome:
        """Makes memories in order; paths of refusals begin at the item."""
        return await self._apply(caller, request, [self._judged(item) for item in request.items])

    async def delete_memory(self, caller: Caller, request: DeleteMemory) -> BatchOutcome:
        """Deletes a memory, and with a session its entries."""
        command: Delete | Rejected
        if request.memory_type is MemoryType.HISTORY:
            command = _immutable(request.id)
        else:
            command = self._judged(
                Delete(
                    memory_type=request.memory_type,
                    id=request.id,
                    if_version=request.if_version,
                    container_id=request.container_id,
                )
            )
        return await self._apply(caller, request, [command])

    async def delete_several(self, caller: Caller, request: DeleteSeveral) -> BatchOutcome:
        """Deletes memories in order; paths of refusals begin at the item."""
        return await self._apply(caller, request, [self._judged(item) for item in request.items])

    async def restore_memory(self, caller: Caller, request: RestoreMemory) -> BatchOutcome:
        """Makes an earlier version current again; a deleted session comes back with its entries."""
        command: Restore | Rejected
        if request.memory_type is MemoryType.HISTORY:
            command = _immutable(request.id)
        else:
            command = self._judged(
                Restore(
                    memory_type=request.memory_type,
                    id=request.id,
                    version=request.version,
                    if_version=request.if_version,
                )
            )
        return await self._apply(caller, request, [command])

    async def update_context_memory(self, caller: Caller, request: UpdateContextMemory) -> BatchOutcome:
        """Changes or adds entries of one session; `BatchOutcome.session` is the session afterwards."""
        commands: Sequence[Command | Rejected] = ()
        if len(request.entries) <= self._limits.commands:
            commands = entry_commands(request.session_id, request.entries, request.object_mode, self._limits)
        claim = SessionClaim(
            session_id=request.session_id,
            if_version=request.if_version,
            create=request.create_session,
            container_id=request.container_id,
            namespace=request.namespace,
            metadata=request.session_metadata,
        )
        return await self._apply(caller, request, commands, claim, len(request.entries))

    async def _apply(
        self,
        caller: Caller,
        request: UpdateMemories | CreateMemories | DeleteMemory | DeleteSeveral | RestoreMemory | UpdateContextMemory,
        commands: Sequence[Command | Rejected],
        claim: SessionClaim | None = None,
        submitted: int | None = None,
    ) -> BatchOutcome:
        submitted = len(commands) if submitted is None else submitted
        if not caller.may(Scope.WRITE):
            return _refused(commands, submitted, (Forbidden(required_scope=Scope.WRITE),))
        faults = request_faults(reason=request.reason, idempotency_key=request.idempotency_key)
        if claim is not None:
            faults += claim_faults(claim, self._limits)
        if submitted > self._limits.commands:
            path = "entries" if claim is not None else "items"
            faults += (LimitExceeded(path=(path,), unit=path, limit=self._limits.commands, actual=submitted),)
        if faults:
            return _refused(commands, submitted, faults)
        key = request.idempotency_key
        batch = Batch(
            commands=tuple(commands),
            mode=WriteMode.ATOMIC if isinstance(request, _OF_ONE) else request.mode,
            session=claim,
            idempotency=Idempotency(key=key, fingerprint=fingerprint(request)) if key is not None else None,
            actor=caller.subject,
            reason=request.reason,
            caller=caller,
        )
        return await self._store.apply(caller, batch)

    def _update(self, item: MemoryUpdate) -> Update | Rejected:
        if item.memory_type is _HISTORY:
            return _immutable(item.id)
        given = item.changes.memory_type
        if given is not item.memory_type:
            mismatch = MemoryTypeMismatch(path=("type",), requested=item.memory_type, actual=given, given_input=True)
            return Rejected(refusals=(mismatch,), id=item.id)
        update = Update(
            id=item.id,
            changes=item.changes,
            if_version=item.if_version,
            container_id=item.container_id,
            always=item.always,
        )
        return self._judged(update)

    def _judged(self, command: _Judged) -> _Judged | Rejected:
        faults = command_faults(command, self._limits)
        return Rejected(refusals=faults, id=command.id) if faults else command


_OF_ONE = (DeleteMemory, RestoreMemory)


def _immutable(memory_id: str) -> Rejected:
    refusal = ImmutableMemory(path=("type",), memory_type=MemoryType.HISTORY)
    return Rejected(refusals=(refusal,), id=memory_id)


def _refused(commands: Sequence[Command | Rejected], submitted: int, refusals: tuple[Refusal, ...]) -> BatchOutcome:
    """The answer to a refused request, some of whose commands may not even have been looked at."""
    outcome = refused_whole(commands, *refusals)
    unseen = (Outcome(status=WriteStatus.ROLLED_BACK),) * (submitted - len(commands))
    return replace(outcome, outcomes=outcome.outcomes + unseen)
