"""The mutations: each makes a request of its arguments, has it applied, and shows the outcome."""

from typing import Annotated

import strawberry

from mnesis.domain.containers import ContainerDeletion, ContainerUpdate, NewContainer
from mnesis.domain.ids import DEFAULT_CONTAINER
from mnesis.domain.memory_types import ObjectMode
from mnesis.execution import keeping_order
from mnesis.graph.answers import (
    context_payload,
    item_results,
    only_fields,
    part_errors,
    payload_fields,
    request_errors,
)
from mnesis.graph.arguments import IdempotencyKey, IfVersion, Reason, TypeOfMemory, given
from mnesis.graph.batch_inputs import CreateMemoriesInput, UpdateContextMemoryInput, UpdateMemoriesInput
from mnesis.graph.commands import creation_of, entry_of, update_of
from mnesis.graph.container_answers import (
    CreateMemoryContainerPayload,
    DeleteMemoryContainerPayload,
    UpdateMemoryContainerPayload,
    deleted_payload,
    in_container,
    in_new_container,
    written_fields,
)
from mnesis.graph.containers import CreateMemoryContainerInput, UpdateMemoryContainerInput, settings_of
from mnesis.graph.context import Info
from mnesis.graph.directives import SEMANTIC_NON_NULL
from mnesis.graph.fields import resolved
from mnesis.graph.inputs import CreateMemoryInput, UpdateMemoryInput
from mnesis.graph.paths import argument, in_creation, in_update
from mnesis.graph.payloads import (
    CreateMemoriesPayload,
    CreateMemoriesResult,
    CreateMemoryPayload,
    DeleteMemoryPayload,
    RestoreMemoryPayload,
    UpdateContextMemoryPayload,
    UpdateMemoriesPayload,
    UpdateMemoriesResult,
    UpdateMemoryPayload,
)
from mnesis.graph.removing import (
    DeleteMemoriesInput,
    DeleteMemoriesPayload,
    EraseMemoriesInput,
    EraseMemoriesPayload,
    deletion_of,
    erasure_of,
    receipt_fields,
)
from mnesis.graph.stored import made
from mnesis.usecases.requests import (
    CreateContainer,
    CreateMemories,
    DeleteContainer,
    DeleteMemory,
    MemoryUpdate,
    RestoreMemory,
    UpdateContainer,
    UpdateContextMemory,
    UpdateMemories,
)

DEFAULT = strawberry.ID(DEFAULT_CONTAINER)
MemoryId = Annotated[strawberry.ID, strawberry.argument(description="The memory's id.")]
ContainerId = Annotated[strawberry.ID, strawberry.argument(description="The container's id.")]
IfContainerVersion = Annotated[
    int | None,
    strawberry.argument(
        description="The version that the container must have now; otherwise VersionConflictError. Null: any."
    ),
]

# What one lane writes, it writes in the order in which it was asked.
WRITES = keeping_order(repeated_by=("idempotencyKey",))
WRITES_WITH_INPUT = keeping_order(repeated_by=("input", "idempotencyKey"))


@strawberry.type(
    description=(
        "Everything that changes memories. Needs the scope `memory:write`. What the caller can mend is in the payload's"
        " `errors`; mutations of one document run one after another."
    )
)
class Mutation:
    @resolved(
        (
            "Changes or adds entries of one session. An entry is matched by its `id`, else by `metadata.messageId`; a"
            " match is changed field by field, what matches nothing is created."
        ),
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES_WITH_INPUT,
    )
    async def update_context_memory(
        self,
        info: Info,
        input: Annotated[UpdateContextMemoryInput, strawberry.argument(description="The session and its entries.")],
    ) -> UpdateContextMemoryPayload | None:
        entries = tuple(map(entry_of, input.contents))
        request = UpdateContextMemory(
            session_id=input.session_id,
            entries=entries,
            mode=input.mode,
            if_version=input.if_version,
            create_session=input.create_session,
            container_id=input.container_id,
            object_mode=input.object_mode,
            reason=input.reason,
            idempotency_key=input.idempotency_key,
        )
        context = info.context
        outcome = await context.memories.update_context_memory(context.caller, request)
        context.loaders.forget()
        return context_payload(outcome, input.session_id, [entry.id for entry in entries])

    @resolved(
        (
            "Changes one memory by type and id. Fields left out are kept, null clears. The type, the member of the"
            " input and the stored memory must agree."
        ),
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES,
    )
    async def update_memory(
        self,
        info: Info,
        memory_type: TypeOfMemory,
        id: MemoryId,
        input: Annotated[UpdateMemoryInput, strawberry.argument(description="The changes.")],
        if_version: IfVersion = strawberry.UNSET,
        object_mode: Annotated[
            ObjectMode, strawberry.argument(description="How given JSON objects are applied.")
        ] = ObjectMode.REPLACE,
        reason: Reason = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> UpdateMemoryPayload | None:
        update = update_of(input, object_mode)
        item = MemoryUpdate(memory_type=memory_type, id=id, changes=update.changes, if_version=given(if_version))
        request = UpdateMemories(items=(item,), reason=given(reason), idempotency_key=given(idempotency_key))
        context = info.context
        outcome = await context.memories.update_memories(context.caller, request)
        context.loaders.forget()
        return made(UpdateMemoryPayload, only_fields(outcome, lambda path: in_update(path, update.member)))

    @resolved(
        "Changes several memories, of any types, in one transaction.",
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES_WITH_INPUT,
    )
    async def update_memories(
        self,
        info: Info,
        input: Annotated[UpdateMemoriesInput, strawberry.argument(description="The memories and their changes.")],
    ) -> UpdateMemoriesPayload | None:
        updates = [update_of(item.input, input.object_mode) for item in input.items]
        request = UpdateMemories(
            items=tuple(
                MemoryUpdate(
                    memory_type=item.memory_type, id=item.id, changes=update.changes, if_version=item.if_version
                )
                for item, update in zip(input.items, updates, strict=True)
            ),
            mode=input.mode,
            reason=input.reason,
            idempotency_key=input.idempotency_key,
        )
        context = info.context
        outcome = await context.memories.update_memories(context.caller, request)
        context.loaders.forget()
        errors = part_errors(
            outcome, lambda index, path: in_update(path, updates[index].member, "input", "items", str(index))
        )
        results = item_results(UpdateMemoriesResult, outcome, errors)
        fields = payload_fields(outcome, request_errors(outcome.refusals, "input"), errors)
        return made(UpdateMemoriesPayload, {"results": results, **fields})

    @resolved(
        "Creates one memory. An id or entry key that was deleted goes on at its next version.",
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES,
    )
    async def create_memory(
        self,
        info: Info,
        input: Annotated[CreateMemoryInput, strawberry.argument(description="The memory.")],
        container_id: Annotated[
            strawberry.ID,
            strawberry.argument(description="The container to put it into; an entry lies in its session's."),
        ] = DEFAULT,
        reason: Reason = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> CreateMemoryPayload | None:
        creation = creation_of(input, container_id)
        request = CreateMemories(
            items=(creation.command,), reason=given(reason), idempotency_key=given(idempotency_key)
        )
        context = info.context
        outcome = await context.memories.create_memories(context.caller, request)
        context.loaders.forget()
        fields = only_fields(outcome, lambda path: in_creation(path, creation.member, ["input"], []))
        return made(CreateMemoryPayload, fields)

    @resolved(
        "Creates several memories, of any types, in one transaction.",
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES_WITH_INPUT,
    )
    async def create_memories(
        self,
        info: Info,
        input: Annotated[CreateMemoriesInput, strawberry.argument(description="The memories.")],
    ) -> CreateMemoriesPayload | None:
        creations = [creation_of(item, input.container_id) for item in input.items]
        request = CreateMemories(
            items=tuple(creation.command for creation in creations),
            mode=input.mode,
            reason=input.reason,
            idempotency_key=input.idempotency_key,
        )
        context = info.context
        outcome = await context.memories.create_memories(context.caller, request)
        context.loaders.forget()
        errors = part_errors(
            outcome,
            lambda index, path: in_creation(path, creations[index].member, ["input", "items", str(index)], ["input"]),
        )
        results = item_results(CreateMemoriesResult, outcome, errors)
        fields = payload_fields(outcome, request_errors(outcome.refusals, "input"), errors)
        return made(CreateMemoriesPayload, {"results": results, **fields})

    @resolved(
        (
            "Deletes one memory, a session together with its entries. Its history stays; its id goes on at the next"
            " version when it is created again."
        ),
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES,
    )
    async def delete_memory(
        self,
        info: Info,
        memory_type: TypeOfMemory,
        id: MemoryId,
        if_version: IfVersion = strawberry.UNSET,
        reason: Reason = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> DeleteMemoryPayload | None:
        request = DeleteMemory(
            memory_type=memory_type,
            id=id,
            if_version=given(if_version),
            reason=given(reason),
            idempotency_key=given(idempotency_key),
        )
        context = info.context
        outcome = await context.memories.delete_memory(context.caller, request)
        context.loaders.forget()
        [only] = outcome.outcomes
        errors = part_errors(outcome, lambda _, path: argument(path))
        return made(
            DeleteMemoryPayload,
            {
                "status": only.status,
                "memory_id": id,
                "version": only.version,
                "deleted_entries": outcome.cascaded.get(0, 0),
                **payload_fields(outcome, request_errors(outcome.refusals), errors),
            },
        )

    @resolved(
        "Makes an earlier version of one memory current again, as a new version; undeletes too. A session that was"
        " deleted comes back with the entries that were deleted with it. Container and namespace stay as they are.",
        directives=[SEMANTIC_NON_NULL],
        metadata=WRITES,
    )
    async def restore_memory(
        self,
        info: Info,
        memory_type: TypeOfMemory,
        id: MemoryId,
        version: Annotated[int, strawberry.argument(description="The version to restore, from 1.")],
        if_version: IfVersion = strawberry.UNSET,
        reason: Reason = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> RestoreMemoryPayload | None:
        request = RestoreMemory(
            memory_type=memory_type,
            id=id,
            version=version,
            if_version=given(if_version),
            reason=given(reason),
            idempotency_key=given(idempotency_key),
        )
        context = info.context
        outcome = await context.memories.restore_memory(context.caller, request)
        context.loaders.forget()
        restored = {"restored_entries": outcome.cascaded.get(0, 0)}
        return made(RestoreMemoryPayload, {**restored, **only_fields(outcome, argument)})

    @resolved(
        (
            "Deletes all memories that pass a filter, sessions together with their entries. Their history stays. Needs"
            " the scope `memory:admin`. It is done in transactions of at most 1,000 memories, between which others"
            " write: a memory that stops passing the filter meanwhile is kept, one that appears meanwhile may be. When"
            " it is interrupted, the same request goes on with the rest."
        ),
        directives=[SEMANTIC_NON_NULL],
    )
    async def delete_memories(
        self,
        info: Info,
        input: Annotated[DeleteMemoriesInput, strawberry.argument(description="Which memories.")],
    ) -> DeleteMemoriesPayload | None:
        context = info.context
        receipt = await context.memories.delete_memories(context.caller, deletion_of(input))
        context.loaders.forget()
        return DeleteMemoriesPayload(**receipt_fields(receipt))

    @resolved(
        (
            "Erases all memories that pass a filter, deleted ones too, and sessions together with their entries: their"
            " content, their history, and the stored answers to requests that name them. What stays of each is its id,"
            " the key of an entry, its container, and one history memory with the action ERASE, which holds no content."
            " It reaches neither backups and logs nor the free pages of the database's files, which VACUUM clears."
            " Needs the scope `memory:admin`; transactions as with `deleteMemories`."
        ),
        directives=[SEMANTIC_NON_NULL],
    )
    async def erase_memories(
        self,
        info: Info,
        input: Annotated[EraseMemoriesInput, strawberry.argument(description="Which memories.")],
    ) -> EraseMemoriesPayload | None:
        context = info.context
        receipt = await context.memories.erase_memories(context.caller, erasure_of(input))
        context.loaders.forget()
        return EraseMemoriesPayload(**receipt_fields(receipt))

    @resolved(
        "Creates a container, whose owner the caller is. Needs the scope `memory:write`.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def create_memory_container(
        self,
        info: Info,
        input: Annotated[CreateMemoryContainerInput, strawberry.argument(description="Its id and settings.")],
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> CreateMemoryContainerPayload | None:
        command = NewContainer(id=input.id, settings=settings_of(input), shared=input.shared)
        request = CreateContainer(container=command, idempotency_key=given(idempotency_key))
        context = info.context
        outcome = await context.memories.create_container(context.caller, request)
        context.loaders.forget()
        return CreateMemoryContainerPayload(**written_fields(outcome, in_new_container))

    @resolved(
        "Changes settings of a container. Its owner and administrators (`memory:admin`) may.",
        directives=[SEMANTIC_NON_NULL],
    )
    async def update_memory_container(
        self,
        info: Info,
        id: ContainerId,
        input: Annotated[UpdateMemoryContainerInput, strawberry.argument(description="The settings to change.")],
        if_version: IfContainerVersion = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> UpdateMemoryContainerPayload | None:
        command = ContainerUpdate(id=id, settings=settings_of(input), if_version=given(if_version))
        request = UpdateContainer(container=command, idempotency_key=given(idempotency_key))
        context = info.context
        outcome = await context.memories.update_container(context.caller, request)
        context.loaders.forget()
        return UpdateMemoryContainerPayload(**written_fields(outcome, in_container))

    @resolved(
        (
            "Deletes a container, but never `default`. One that holds memories is ContainerNotEmptyError, unless"
            " `deleteMemories` is true: then they are deleted too, as `deleteMemories` deletes them, in transactions of"
            " at most 1,000, and the container with the last of them. Its owner and administrators"
            " (`memory:admin`) may. When it is interrupted, the same request goes on with the rest."
        ),
        directives=[SEMANTIC_NON_NULL],
    )
    async def delete_memory_container(
        self,
        info: Info,
        id: ContainerId,
        delete_memories: Annotated[
            bool,
            strawberry.argument(
                description="Whether to delete the memories in it; their history stays, and pinned ones go too."
            ),
        ] = False,
        dry_run: Annotated[
            bool, strawberry.argument(description="Whether only to judge and to count, and to write nothing.")
        ] = False,
        if_version: IfContainerVersion = strawberry.UNSET,
        reason: Annotated[
            str | None,
            strawberry.argument(description="Why, for the history of the memories; at most 1,000 characters."),
        ] = strawberry.UNSET,
        idempotency_key: IdempotencyKey = strawberry.UNSET,
    ) -> DeleteMemoryContainerPayload | None:
        request = DeleteContainer(
            container=ContainerDeletion(id=id, delete_memories=delete_memories, if_version=given(if_version)),
            dry_run=dry_run,
            reason=given(reason),
            idempotency_key=given(idempotency_key),
        )
        context = info.context
        outcome = await context.memories.delete_container(context.caller, request)
        context.loaders.forget()
        return deleted_payload(outcome, id, dry_run=dry_run)
