"""The use cases that remove many memories: by filter, a bounded number in each transaction."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mnesis.domain.caller import Caller, Scope
from mnesis.domain.commands import Idempotency
from mnesis.domain.filters import MemoryFilter, filter_faults, nested_history_faults, settled
from mnesis.domain.limits import Limits
from mnesis.domain.refusals import Forbidden, IdempotencyConflict, InvalidInput, Refusal
from mnesis.domain.validation import request_faults
from mnesis.usecases.fingerprint import fingerprint
from mnesis.usecases.ports import NOTHING, MemoryReader, MemoryRemover, Removable, Removal, RemovalCounts, RemovalStep
from mnesis.usecases.requests import DeleteMemories, EraseMemories, RemoveMemories

STEP = 1_000
"""How many memories are removed in one transaction at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalReceipt:
    """What was removed or, in a dry run, would be. Where there are ``refusals``, nothing was."""

    counts: RemovalCounts = NOTHING
    dry_run: bool = False
    refusals: tuple[Refusal, ...] = ()
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Aim:
    """The memories of one transaction; ``found`` as in `MemoryRemover.remove`."""

    ids: Collection[str]
    found: str | None = None


class MemoryRemoval:
    """Removes memories on behalf of an administrator.

    Other writers come in between the transactions: a memory that stops passing the filter meanwhile is kept, one that
    appears after the call began may be. `Overloaded` and `StoreFault` are raised; what was removed until then stays
    so, and the same request goes on with the rest.
    """

    def __init__(self, remover: MemoryRemover, reader: MemoryReader, limits: Limits) -> None:
        self._remover = remover
        self._removal_reader = reader
        self._removal_limits = limits

    async def delete_memories(self, caller: Caller, request: DeleteMemories) -> RemovalReceipt:
        """Leaves tombstones of all that pass the filter; their history stays."""
        return await self._removed(caller, request, erases=False)

    async def erase_memories(self, caller: Caller, request: EraseMemories) -> RemovalReceipt:
        """Removes the content and the history of all that pass the filter, deleted memories too."""
        return await self._removed(caller, request, erases=True)

    async def _removed(self, caller: Caller, request: RemoveMemories, *, erases: bool) -> RemovalReceipt:
        refusals = self._refusals(caller, request)
        if refusals:
            return RemovalReceipt(refusals=refusals, dry_run=request.dry_run)
        key = request.idempotency_key
        removal = Removal(
            erases=erases,
            filter=request.filter or MemoryFilter(),
            actor=caller.subject,
            reason=request.reason,
            idempotency=Idempotency(key=key, fingerprint=fingerprint(request)) if key is not None else None,
        )
        if request.dry_run:
            return RemovalReceipt(counts=await self._removal_reader.count_removable(caller, removal), dry_run=True)
        return await self._run(caller, removal)

    async def _run(self, caller: Caller, removal: Removal) -> RemovalReceipt:
        counts = RemovalCounts()
        if removal.idempotency is not None:
            begun = await self._remover.remove(caller, removal, ())
            if (receipt := _ended(begun, counts)) is not None:
                return receipt
        async for step in self._steps(caller, removal):
            taken = await self._remover.remove(caller, removal, step.ids, found=step.found)
            if (receipt := _ended(taken, counts)) is not None:
                return receipt
            counts = counts.plus(taken.removed)
        if removal.idempotency is None and not removal.erases:
            return RemovalReceipt(counts=counts)
        closed = await self._remover.remove(caller, removal, (), last=True)
        return _ended(closed, counts) or RemovalReceipt(counts=closed.total or counts)

    async def _steps(self, caller: Caller, removal: Removal) -> AsyncIterator[Aim]:
        """Sessions first, so that what is left afterwards are no entries of theirs."""
        sessions = self._walk(caller, removal, sessions=True)
        async for step in session_steps(sessions, lambda each: emptied(self._removal_reader, caller, removal, each)):
            yield step
        async for found in self._walk(caller, removal, sessions=False):
            yield Aim([each.id for each in found])

    async def _walk(self, caller: Caller, removal: Removal, *, sessions: bool) -> AsyncIterator[Sequence[Removable]]:
        """Everything that the removal is aimed at, by id, as many at a time as one step can hold."""
        after = ""
        while True:
            found = await self._removal_reader.removable(caller, removal, sessions=sessions, after=after, size=STEP)
            if found:
                yield found
            if len(found) < STEP:
                return
            after = found[-1].id

    def _refusals(self, caller: Caller, request: RemoveMemories) -> tuple[Refusal, ...]:
        if not caller.may(Scope.ADMIN):
            return (Forbidden(required_scope=Scope.ADMIN),)
        faults: tuple[Refusal, ...] = request_faults(reason=request.reason, idempotency_key=request.idempotency_key)
        if request.filter is None:
            if not request.everything:
                faults += (InvalidInput(path=("filter",), text="Give a filter, or all: true for every memory."),)
            return faults
        wrong = filter_faults(request.filter, self._removal_limits) or nested_history_faults(request.filter, top=True)
        faults += tuple(_below_filter(each) for each in wrong)
        if not wrong and request.everything:
            faults += (InvalidInput(path=("all",), text="Give either a filter or all: true, not both."),)
        elif not wrong and settled(request.filter) is True:
            text = "This filter names no condition; give all: true where every memory is meant."
            faults += (InvalidInput(path=("filter",), text=text),)
        return faults


async def session_steps(
    pages: AsyncIterator[Sequence[Removable]], empty: Callable[[str], AsyncIterator[Aim]]
) -> AsyncIterator[Aim]:
    """Sessions and their entries in steps of `STEP` memories at most; ``empty`` gives those of a larger session."""
    async for found in pages:
        together: list[str] = []
        weight = 0
        for session in found:
            if session.entries >= STEP:
                async for step in empty(session.id):
                    yield step
                continue
            if weight + 1 + session.entries > STEP:
                yield Aim(together)
                together, weight = [], 0
            together.append(session.id)
            weight += 1 + session.entries
        if together:
            yield Aim(together)


async def emptied(reader: MemoryReader, caller: Caller, removal: Removal, session_id: str) -> AsyncIterator[Aim]:
    """A session too large for one transaction: its entries, then itself with those that came meanwhile."""
    after = ""
    while True:
        entries = await reader.removable_entries(caller, removal, session_id, after=after, size=STEP)
        if len(entries) < STEP:
            yield Aim([session_id], session_id)
            return
        yield Aim(entries, session_id)
        after = entries[-1]


def _ended(step: RemovalStep, counts: RemovalCounts) -> RemovalReceipt | None:
    """The receipt where the idempotency key says that there is nothing to do (any more)."""
    if step.conflict:
        return RemovalReceipt(refusals=(IdempotencyConflict(path=("idempotency_key",)),))
    if step.settled:
        # A request that removed a part of it itself took part in the first answer.
        return RemovalReceipt(counts=step.total or counts, replayed=counts == RemovalCounts())
    return None


def _below_filter(fault: Refusal) -> Refusal:
    return replace(fault, path=("filter", *fault.path))
