"""The answers of mutations. What was written stands in plain fields; what has to be read again may fail alone."""

from collections.abc import Sequence

import strawberry

from mnesis.domain.commands import BatchOutcome, Outcome
from mnesis.domain.commands import WriteCounts as Counted
from mnesis.domain.memory_types import WriteStatus
from mnesis.execution import settled
from mnesis.graph.context import Info
from mnesis.graph.fields import resolved
from mnesis.graph.memory import Memory
from mnesis.graph.present import loaded, shown
from mnesis.graph.query import Query
from mnesis.graph.session import SessionMemory
from mnesis.graph.user_errors import UserError
from mnesis.graph.working import WorkingMemory

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

    @resolved("Everything that can be queried, as it is after the write.")
    def query(self) -> Query:
        return Query()


@strawberry.type(description="What became of one memory.")
class WrittenMemory:
    status: WriteStatus = strawberry.field(description="What became of the memory.")
    version: int | None = strawberry.field(description="Its version after the write; null where nothing is stored.")
    outcome: strawberry.Private[Outcome]

    @resolved("The memory after the write, in a repeated answer as it is now; null when refused.", metadata=settled())
    async def memory(self, info: Info) -> Memory | None:
        return await stored_memory(self.outcome, info)


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
    async def entry(self, info: Info) -> WorkingMemory | None:
        memory = await stored_memory(self.outcome, info)
        return memory if isinstance(memory, WorkingMemory) else None


@strawberry.type(description="The answer of `updateContextMemory`.")
class UpdateContextMemoryPayload(WritePayload):
    memory_id: strawberry.ID = strawberry.field(description="The session's id as given.")
    version: int | None = strawberry.field(
        description="The session's version after the write; null where the request was refused."
    )
    updated_entries: int = strawberry.field(description="How many entries were created or changed.")
    outcome: strawberry.Private[BatchOutcome]
    keys: strawberry.Private[Sequence[str | None]]
    entry_errors: strawberry.Private[Sequence[list[UserError]]]

    @resolved("One row per entry of the request, in order.", metadata=settled())
    def results(self) -> list[ContextEntryResult]:
        # Made where they are asked for: there may be a thousand.
        return [
            ContextEntryResult(
                index=index,
                entry_id=strawberry.ID(key) if (key := outcome.entry_id or given) is not None else None,
                status=outcome.status,
                version=outcome.version,
                errors=errors,
                outcome=outcome,
            )
            for index, (outcome, given, errors) in enumerate(
                zip(self.outcome.outcomes, self.keys, self.entry_errors, strict=True)
            )
        ]

    @resolved(
        "The session after the write, in a repeated answer as it is now; null where the request was refused.",
        metadata=settled(),
    )
    async def session(self, info: Info) -> SessionMemory | None:
        if self.version is None:
            return None
        memory = (
            shown(self.outcome.session)
            if self.outcome.session is not None
            else await loaded(info.context.loaders, str(self.memory_id))
        )
        return memory if isinstance(memory, SessionMemory) else None


async def stored_memory(outcome: Outcome, info: Info) -> Memory | None:
    """The memory after a command; a repeated answer holds only its id."""
    if outcome.memory is not None:
        return shown(outcome.memory)
    if outcome.status in _STORED and outcome.id is not None:
        return await loaded(info.context.loaders, outcome.id)
    return None
