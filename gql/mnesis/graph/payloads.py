"""The answers of mutations. What was written stands in plain fields; what has to be read again may fail alone."""

from collections.abc import Sequence
from typing import TypeVar, cast

import strawberry

from mnesis.domain.commands import BatchOutcome, Outcome
from mnesis.domain.commands import WriteCounts as Counted
from mnesis.domain.memory import Memory as StoredMemory
from mnesis.domain.memory_types import WriteStatus
from mnesis.execution import settled
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.memory import Memory
from mnesis.graph.present import loaded, shown
from mnesis.graph.query import Query
from mnesis.graph.session import SessionMemory
from mnesis.graph.stored import later, made
from mnesis.graph.user_errors import UserError
from mnesis.graph.working import WorkingMemory

M = TypeVar("M", bound=Memory)

_STORED = frozenset({WriteStatus.CREATED, WriteStatus.UPDATED, WriteStatus.UNCHANGED})


@strawberry.type(description=("How many entries or items met which fate. `submitted` is always the sum of the others."))
class WriteCounts:
    submitted: int = strawberry.field(description="How many the request held.")
    created: int = strawberry.field(description="How many are new.")
    updated: int = strawberry.field(description="How many changed.")
    unchanged: int = strawberry.field(description="How many were so already.")
    deleted: int = strawberry.field(description="How many were deleted.")
    failed: int = strawberry.field(description="How many were refused.")
    rolled_back: int = strawberry.field(description="How many were not written because something else was refused.")

    @classmethod
    def of(cls, counts: Counted) -> "WriteCounts":
        """The counts as GraphQL shows them."""
        # Not `asdict`, which copies whatever it meets: this is made for every answer.
        return cls(
            submitted=counts.submitted,
            created=counts.created,
            updated=counts.updated,
            unchanged=counts.unchanged,
            deleted=counts.deleted,
            failed=counts.failed,
            rolled_back=counts.rolled_back,
        )


@strawberry.type(description="What the answers of all mutations have in common.")
class WritePayload:
    counts: WriteCounts = strawberry.field(description="How many entries or items met which fate.")
    errors: list[UserError] = strawberry.field(
        description="Everything that was refused, of the request as a whole and of its parts. Empty: all is well."
    )
    replayed: bool = strawberry.field(
        description="Whether this repeats an earlier answer because of the idempotency key; nothing was written then."
    )

    batch: strawberry.Private[BatchOutcome]

    @resolved("Everything that can be queried, as it is after the write.")
    def query(self) -> Query:
        return Query()


later(WritePayload, "counts", lambda payload: WriteCounts.of(payload.batch.counts))


@strawberry.type(description="What became of one memory.")
class WrittenMemory:
    status: WriteStatus = strawberry.field(description="What became of the memory.")
    version: int | None = strawberry.field(description="Its version after the write; null where nothing is stored.")
    outcome: strawberry.Private[Outcome]

    @resolved("The memory after the write, in a repeated answer as it is now; null when refused.", metadata=settled())
    def memory(self, info: Info) -> Memory | None:
        return stored_memory(self.outcome, info)


@strawberry.type(description="The answer of `updateMemory`.")
class UpdateMemoryPayload(WrittenMemory, WritePayload):
    pass


@strawberry.type(description="The answer of `createMemory`.")
class CreateMemoryPayload(WrittenMemory, WritePayload):
    pass


@strawberry.type(description="The answer of `deleteMemory`.")
class DeleteMemoryPayload(WritePayload):
    status: WriteStatus = strawberry.field(description="What became of the memory.")
    memory_id: strawberry.ID = strawberry.field(description="The id as given.")
    version: int | None = strawberry.field(description="The version of the deletion; null where it was refused.")
    deleted_entries: int = strawberry.field(description="How many entries were deleted together with their session.")


@strawberry.type(description="The answer of `restoreMemory`.")
class RestoreMemoryPayload(WrittenMemory, WritePayload):
    restored_entries: int = strawberry.field(
        description="How many entries came back together with their session, which had been deleted with it."
    )


@strawberry.type(description="What became of one item of a request.")
class ItemResult(WrittenMemory):
    index: int = strawberry.field(description="The place of the item in the request, from 0.")
    id: strawberry.ID | None = strawberry.field(description="The memory's id; null for one that was not created.")
    errors: list[UserError] = strawberry.field(description="What was refused of this item.")


@strawberry.type(description="What became of one item of `updateMemories`.")
class UpdateMemoriesResult(ItemResult):
    pass


@strawberry.type(description="The answer of `updateMemories`.")
class UpdateMemoriesPayload(WritePayload):
    results: list[UpdateMemoriesResult] = strawberry.field(description="One row per item, in order.")


@strawberry.type(description="What became of one item of `createMemories`.")
class CreateMemoriesResult(ItemResult):
    pass


@strawberry.type(description="The answer of `createMemories`.")
class CreateMemoriesPayload(WritePayload):
    results: list[CreateMemoriesResult] = strawberry.field(description="One row per item, in order.")


@strawberry.type(description="What became of one entry of `updateContextMemory`.")
class ContextEntryResult:
    index: int = strawberry.field(description="The place of the entry in the request, from 0.")
    entry_id: strawberry.ID | None = strawberry.field(
        description="The entry's key; null for one without a key that was not written."
    )
    status: WriteStatus = strawberry.field(description="What became of the entry.")
    version: int | None = strawberry.field(description="Its version after the write; null where nothing is stored.")
    errors: list[UserError] = strawberry.field(description="What was refused of this entry.")
    outcome: strawberry.Private[Outcome]

    @resolved("The entry after the write, in a repeated answer as it is now; null when refused.", metadata=settled())
    def entry(self, info: Info) -> WorkingMemory | None:
        return stored_memory(self.outcome, info, WorkingMemory)


@strawberry.type(description="The answer of `updateContextMemory`.")
class UpdateContextMemoryPayload(WritePayload):
    memory_id: strawberry.ID = strawberry.field(description="The session's id as given.")
    version: int | None = strawberry.field(
        description="The session's version after the write; null where the request was refused."
    )
    updated_entries: int = strawberry.field(description="How many entries were created or changed.")
    keys: strawberry.Private[Sequence[str | None]]
    entry_errors: strawberry.Private[Sequence[list[UserError]]]

    @resolved("One row per entry of the request, in order.", metadata=settled())
    def results(self) -> list[ContextEntryResult]:
        # Made where they are asked for: there may be a thousand.
        return [
            made(
                ContextEntryResult,
                {
                    "index": index,
                    "entry_id": outcome.entry_id or given,
                    "status": outcome.status,
                    "version": outcome.version,
                    "errors": errors,
                    "outcome": outcome,
                },
            )
            for index, (outcome, given, errors) in enumerate(
                zip(self.batch.outcomes, self.keys, self.entry_errors, strict=True)
            )
        ]

    @resolved(
        "The session after the write, in a repeated answer as it is now; null where the request was refused.",
        metadata=settled(),
    )
    def session(self, info: Info) -> SessionMemory | None:
        if self.version is None:
            return None
        return _now(self.batch.session, info, str(self.memory_id), SessionMemory)


later(
    UpdateContextMemoryPayload,
    "updated_entries",
    lambda payload: payload.counts.created + payload.counts.updated,
)


def stored_memory(outcome: Outcome, info: Info, kind: type[M] = Memory) -> M | None:  # type: ignore[assignment]
    """The memory after a command, if it is of this kind; a repeated answer holds only its id."""
    if outcome.memory is None and (outcome.status not in _STORED or outcome.id is None):
        return None
    return _now(outcome.memory, info, outcome.id or "", kind)


def _now(stored: StoredMemory | None, info: Info, memory_id: str, kind: type[M]) -> M | None:
    """The memory if it is there and of this kind, else something to be awaited: only a few fields have to wait."""
    if stored is None:
        # Strawberry awaits whatever can be awaited, but its types do not say so.
        return cast("M | None", _looked_up(info, memory_id, kind))
    memory = shown(stored)
    return memory if isinstance(memory, kind) else None


async def _looked_up(info: Info, memory_id: str, kind: type[M]) -> M | None:
    memory = await loaded(info.context.loaders, memory_id)
    return memory if isinstance(memory, kind) else None
