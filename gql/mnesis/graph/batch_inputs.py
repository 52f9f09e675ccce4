"""The inputs of mutations that write several memories or entries at once."""

from datetime import datetime

import strawberry
from strawberry import Maybe

from mnesis.domain.memory_types import MemoryType, ObjectMode, WriteMode
from mnesis.graph.inputs import CreateMemoryInput, UpdateMemoryInput
from mnesis.graph.scalars import JSONObject

REASON = "Why, for the history; at most 1,000 characters."
KEY = (
    "1 to 255 characters, for 24 hours per subject: the same key with the same arguments answers as the first time and"
    " writes nothing; with other arguments it is IdempotencyConflictError."
)


@strawberry.input(description="One entry of a conversation, to change or to add.")
class ContextEntryInput:
    id: strawberry.ID | None = strawberry.field(
        description=(
            "The entry's key in the session, 1 to 512 characters. Left out, `metadata.messageId` is the key; without"
            " either the entry is new."
        )
    )
    content: Maybe[str | None] = strawberry.field(
        description="The text, at most 1 MiB. Left out, it is kept; a new entry needs it. Cannot be null or empty."
    )
    role: Maybe[str | None] = strawberry.field(
        description="Who speaks; 1 to 64 characters. Left out, it is kept; `user` for a new entry. Cannot be null."
    )
    created_at: Maybe[datetime | None] = strawberry.field(
        description="When it was said. Left out, it is kept; now for a new entry. Cannot be null."
    )
    metadata: Maybe[JSONObject | None] = strawberry.field(
        description="Anything else; left out it is kept, null clears."
    )
    if_version: int | None = strawberry.field(
        description="The version that the entry must have now; 0: there must be none. Null and absent: any."
    )


@strawberry.input(description="Entries of one session to change or to add.")
class UpdateContextMemoryInput:
    session_id: strawberry.ID = strawberry.field(description="The session.")
    contents: list[ContextEntryInput] = strawberry.field(description="The entries, at most 1,000, applied in order.")
    mode: WriteMode = strawberry.field(
        default=WriteMode.ATOMIC, description="Whether one refused entry keeps the others from being written."
    )
    if_version: int | None = strawberry.field(
        description="The version that the session must have now; 0: there must be none. Null and absent: any."
    )
    create_session: bool = strawberry.field(
        default=False, description="Whether to create the session where there is none, instead of NotFoundError."
    )
    container_id: strawberry.ID = strawberry.field(
        default=strawberry.ID("default"), description="The container of a session that is created."
    )
    object_mode: ObjectMode = strawberry.field(
        default=ObjectMode.REPLACE, description="How given metadata is applied to that of an entry."
    )
    reason: str | None = strawberry.field(description=REASON)
    idempotency_key: str | None = strawberry.field(description=KEY)


@strawberry.input(description="One memory to change.")
class UpdateMemoriesItem:
    memory_type: MemoryType = strawberry.field(name="type", description="The kind of memory that has the id.")
    id: strawberry.ID = strawberry.field(description="The memory's id.")
    input: UpdateMemoryInput = strawberry.field(description="The changes.")
    if_version: int | None = strawberry.field(
        description="The version that the memory must have now. Null and absent: any."
    )


@strawberry.input(description="Memories to change together.")
class UpdateMemoriesInput:
    items: list[UpdateMemoriesItem] = strawberry.field(description="The memories, at most 1,000, changed in order.")
    mode: WriteMode = strawberry.field(
        default=WriteMode.ATOMIC, description="Whether one refused item keeps the others from being written."
    )
    object_mode: ObjectMode = strawberry.field(
        default=ObjectMode.REPLACE, description="How given JSON objects are applied."
    )
    reason: str | None = strawberry.field(description=REASON)
    idempotency_key: str | None = strawberry.field(description=KEY)


@strawberry.input(description="Memories to create together.")
class CreateMemoriesInput:
    items: list[CreateMemoryInput] = strawberry.field(description="The memories, at most 1,000, created in order.")
    container_id: strawberry.ID = strawberry.field(
        default=strawberry.ID("default"), description="The container to put them into; entries lie in their session's."
    )
    mode: WriteMode = strawberry.field(
        default=WriteMode.ATOMIC, description="Whether one refused item keeps the others from being created."
    )
    reason: str | None = strawberry.field(description=REASON)
    idempotency_key: str | None = strawberry.field(description=KEY)
